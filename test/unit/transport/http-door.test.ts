import { type IncomingHttpHeaders, request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import type { ListenOptions } from '../../../source/transport/listen.js';
import { type EchoHandlers, recordingLogger, startEchoNode } from '../../helpers/echo-node.js';
import { RawConnection } from '../../helpers/raw-connection.js';

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

interface Node {
  address: string;
  handlers: EchoHandlers;
  logger: ReturnType<typeof recordingLogger>;
  ask(options: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Buffer }): Promise<Answer>;
  /** POST /rpc of a request as JSON; what came back, parsed. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  rpc(message: unknown, headers?: Record<string, string>): Promise<any>;
}

function withNode(title: string, body: (t: ExecutionContext, node: Node) => Promise<void>, options: Partial<ListenOptions> = {}): void {
  test(title, async (t) => {
    const logger = recordingLogger();
    const { listener, handlers } = await startEchoNode({ logger, ...options });
    const ask: Node['ask'] = ({ method = 'GET', path = '/', headers = {}, body: content }) =>
      new Promise((resolve, reject) => {
        const outgoing = request({ host: '127.0.0.1', port: listener.port, method, path, headers, agent: false }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() }));
        });
        outgoing.on('error', reject);
        outgoing.end(content);
      });
    const rpc: Node['rpc'] = async (message, headers = {}) => {
      const answer = await ask({ method: 'POST', path: '/rpc', headers: { 'content-type': 'application/json', ...headers }, body: typeof message === 'string' ? message : JSON.stringify(message) });
      return JSON.parse(answer.text) as unknown;
    };
    try {
      await body(t, { address: listener.address, handlers, logger, ask, rpc });
    } finally {
      await listener.close();
    }
  });
}

const say = (id: unknown, text = 'x') => ({ jsonrpc: '2.0', id, method: 'echo.say', params: { text } });

withNode('POST /rpc answers a call as the user and client of the headers', async (t, { ask, rpc, handlers }) => {
  const answer = await ask({ method: 'POST', path: '/rpc', headers: { 'content-type': 'application/json; charset=utf-8', 'x-dfsh-user': Buffer.from('Jürgen').toString('latin1'), 'x-dfsh-client': 'c-1' }, body: Buffer.from(JSON.stringify(say(1, 'é'))) });
  t.is(answer.status, 200);
  t.regex(answer.headers['content-type']!, /^application\/json/);
  t.like(JSON.parse(answer.text), { jsonrpc: '2.0', id: 1, result: { text: 'é', user: 'Jürgen', clientId: 'c-1', role: 'client' } });
  // Without headers: nobody in particular, and each request a client of its own, so that call ids of strangers never meet.
  t.is((await rpc(say(1))).result.user, 'dr.who');
  await rpc(say(1));
  t.not(handlers.contexts[1]!.clientId, handlers.contexts[2]!.clientId);
});

withNode('POST /rpc answers errors, batches and notifications as JSON-RPC 2.0 says (faults 57, 60)', async (t, { ask, rpc, logger }) => {
  t.deepEqual((await rpc(say(7, 5 as never))).error, { code: -32602, message: 'echo.say: parameter "text": found 5, allowed: text of at most 3000000 characters' });
  t.like(await rpc({ jsonrpc: '2.0', id: 1, method: 'echo.fail' }), { id: 1, error: { code: 1001, message: '/a/b does not exist', data: { name: 'FileNotFoundError', path: '/a/b', blockId: 7 } } });
  const crash = await rpc({ jsonrpc: '2.0', id: 1, method: 'echo.crash', params: { isSynchronous: false } });
  t.is(crash.error.code, -32603);
  t.notRegex(JSON.stringify(crash), /secret/);
  t.regex(logger.lines.join(), /a secret of this process/);
  t.like(await rpc('{"jsonrpc"'), { id: null, error: { code: -32700 } });
  t.like(await rpc('['.repeat(100_000)), { id: null, error: { code: -32700 } });
  t.like(await rpc(''), { id: null, error: { code: -32700 } });
  t.deepEqual((await rpc([say(1), { ...say(2), id: undefined }, say(3)])).map(({ id }: { id: number }) => id), [1, 3]);
  t.is((await rpc(Array.from({ length: 1001 }, () => say(1)))).error.message, 'Invalid request: Maximum batch length exceeded');
  const note = await ask({ method: 'POST', path: '/rpc', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...say(1), id: undefined }) });
  t.deepEqual([note.status, note.text], [204, '']);
  t.is((await rpc({ jsonrpc: '2.0', id: 1, method: 'echo.datanode' })).error.data.name, 'PermissionDeniedError');
});

withNode(
  'a body beyond the limit gets 413, announced or chunked, and nothing is called (fault 61)',
  async (t, { ask, handlers }) => {
    const large = JSON.stringify(say(1, 'x'.repeat(2_000_000)));
    const json = { 'content-type': 'application/json' };
    const announced = await ask({ method: 'POST', path: '/rpc', headers: { ...json, 'content-length': String(Buffer.byteLength(large)) }, body: large });
    t.is(announced.status, 413);
    const chunked = await ask({ method: 'POST', path: '/rpc', headers: { ...json, 'transfer-encoding': 'chunked' }, body: large });
    t.is(chunked.status, 413);
    const small = await ask({ method: 'POST', path: '/rpc', headers: { ...json, 'transfer-encoding': 'chunked' }, body: JSON.stringify(say(1)) });
    t.is(small.status, 200);
    t.deepEqual(handlers.seen, ['x']);
  },
);

withNode('another method, path or type gets 405, 404 or 415', async (t, { ask }) => {
  const get = await ask({ path: '/rpc' });
  t.deepEqual([get.status, get.headers.allow], [405, 'POST']);
  t.is((await ask({ path: '/nothing/here' })).status, 404);
  t.is((await ask({ path: '/events' })).status, 404, 'without a feed there are no events');
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonx']) {
    t.is((await ask({ method: 'POST', path: '/rpc', headers: { 'content-type': type }, body: JSON.stringify(say(1)) })).status, 415, type);
  }
  t.is((await ask({ method: 'POST', path: '/', body: 'x' })).status, 405);
});

withNode('calls that a web page of another origin could make are refused (fault 68)', async (t, { ask, handlers, address }) => {
  const port = address.split(':')[1]!;
  const post = (headers: Record<string, string>) => ask({ method: 'POST', path: '/rpc', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(say(1)) });
  for (const host of [`evil.example:${port}`, 'evil.example', `127.0.0.1.evil.example:${port}`, '10.0.0.1']) t.is((await post({ host })).status, 403, host);
  for (const origin of ['http://evil.example', 'null', `https://127.0.0.1:${port}`, 'http://localhost:3000', `http://127.0.0.1:${Number(port) + 1}`]) t.is((await post({ origin })).status, 403, origin);
  t.deepEqual(handlers.seen, []);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', `[::1]:${port}`]) t.is((await post({ host })).status, 200, host);
  t.is((await post({ origin: `http://127.0.0.1:${port}` })).status, 200);
  t.is((await ask({ path: '/', headers: { host: 'evil.example' } })).status, 403);
});

withNode('a user or client that cannot be one gets 400', async (t, { ask, handlers }) => {
  for (const headers of [{ 'x-dfsh-user': 'x'.repeat(300) }, { 'x-dfsh-client': '' }, { 'x-dfsh-user': 'a\tb' }] as Record<string, string>[]) {
    t.is((await ask({ method: 'POST', path: '/rpc', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(say(1)) })).status, 400);
  }
  t.deepEqual(handlers.seen, []);
});

withNode('requests that could be read in two ways get 400 and the end (fault 61)', async (t, { address, handlers }) => {
  const body = JSON.stringify(say(1));
  const start = `POST /rpc HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\n`;
  for (const rest of [
    `Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${body}`,
    `Content-Length: ${body.length}\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}`,
    `Content-Length: -1\r\n\r\n${body}`,
    `Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}`,
  ]) {
    const connection = await RawConnection.open(address);
    connection.socket.write(start + rest);
    const text = await connection.rest();
    t.regex(text, /^HTTP\/1\.1 400 /, rest);
    t.is(text.split('HTTP/1.1').length, 2, 'one answer');
  }
  t.deepEqual(handlers.seen, []);
});

withNode(
  'headers or bodies that come too slowly get 408, or the end (fault 62)',
  async (t, { address }) => {
    for (const start of ['GET / HTTP/1.1\r\nHost: ', `POST /rpc HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`]) {
      const connection = await RawConnection.open(address);
      connection.socket.write(start);
      t.regex(await connection.rest(), /^(HTTP\/1\.1 408 [^]*)?$/);
    }
  },
  { limits: { requestTimeoutMs: 200 } },
);

withNode('one connection serves many requests, and what comes right behind the first', async (t, { address }) => {
  const connection = await RawConnection.open(address);
  const body = JSON.stringify(say(1));
  const post = `POST /rpc HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  connection.socket.write(`${post}\r\n${body}${post}Connection: close\r\n\r\n${body}`);
  t.is((await connection.rest()).split('HTTP/1.1 200').length, 3);
});

withNode(
  'GET /healthz tells how the node is, with its status; GET /metrics its numbers; GET / what it is',
  async (t, { ask }) => {
    const health = await ask({ path: '/healthz?x=1' });
    t.is(health.status, 503);
    t.deepEqual(JSON.parse(health.text), { status: 'SAFE MODE', blocks: 3 });
    const metrics = await ask({ path: '/metrics' });
    t.is(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    t.regex(metrics.text, /^dfsh_files 7$/m);
    const welcome = await ask({ path: '/' });
    for (const word of ['echo node', '/rpc', '/healthz', '/metrics', 'rpc.discover']) t.true(welcome.text.includes(word), word);
    t.false(welcome.text.includes('/events'));
    const head = await ask({ method: 'HEAD', path: '/healthz' });
    t.deepEqual([head.status, head.text], [503, '']);
  },
  { health: () => ({ httpStatus: 503, status: 'SAFE MODE', blocks: 3 }), metrics: () => [{ name: 'dfsh_files', help: 'Files', type: 'gauge', value: 7 }] },
);

withNode(
  'a report that fails is logged, and answered with 500 without its reason',
  async (t, { ask, logger }) => {
    for (const path of ['/healthz', '/metrics']) {
      const answer = await ask({ path });
      t.is(answer.status, 500);
      t.notRegex(answer.text, /secret/);
    }
    t.is(logger.lines.filter((line) => /^error GET .*secret/.test(line)).length, 2);
  },
  {
    health: () => {
      throw new Error('a secret');
    },
    metrics: () => {
      throw new Error('a secret');
    },
  },
);
