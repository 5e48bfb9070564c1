import test from 'ava';
import { progressLine, summaryLines } from '../../../source/commands/progress-text.js';
import { CommandBench } from '../../helpers/command-bench.js';
import { RecorderSink } from '../../helpers/recorder-sink.js';
import { waitUntil } from '../../helpers/mini-cluster.js';

async function startBench(t: { teardown(end: () => Promise<void>): void }, dataNodeCount: number): Promise<CommandBench> {
  return CommandBench.start(t, { blockSizeBytes: 64 * 1024, dataNodeCount, deadNodeTimeoutMs: 30_000 });
}

test('decommission empties a node and waits for it; report and fsck show it, recommission takes it back', async (t) => {
  const bench = await startBench(t, 4);
  await bench.write('/f', 'x'.repeat(300_000));
  const { code, stdout, sink } = await bench.run('decommission dn2');
  t.is(code, 0);
  t.regex(stdout, /^dn2 \(127\.0\.0\.1:\d+\): Decommissioned$/m);
  for (const { outcome } of sink.ended) t.regex(summaryLines(outcome).join(), /^✓ decommission dn2 {3}\d+\.\d s( {2}\d+ blocks?)?$/, 'blocks were copied, and no bytes of ours moved');
  t.regex((await bench.run('report')).stdout, /Decommission Status : Decommissioned/);
  t.regex((await bench.run('report -decommissioning')).stdout, /Decommissioning datanodes \(0\):/);
  const check = await bench.run('fsck / -files -blocks -locations');
  t.is(check.code, 0);
  for (const line of check.stdout.split('\n').filter((one) => one.includes('Live_repl'))) t.regex(line, /Live_repl=3/);
  t.regex(check.stdout, /dn2 127\.0\.0\.1:\d+ DECOMMISSIONED/);
  t.regex(check.stdout, /Over-replicated blocks:\t0 /);
  t.regex(check.stdout, / DecommissionedReplicas:\t\d+/);
  t.is((await bench.run('cat /f')).stdout.length, 300_000);
  const [address] = bench.cluster.health().datanodes.filter(({ name }) => name === 'dn2').map((node) => node.address);
  const back = await bench.run(`recommission ${address!}`, { isJson: true });
  t.is(back.code, 0);
  t.like(back.sink.records[0], { type: 'datanode', name: 'dn2', adminState: 'normal' });
  t.is((await bench.run('setrep -w 3 /f')).code, 0);
});

test('decommission with too few nodes waits, says for what, and Ctrl-C ends the waiting but not the wish', async (t) => {
  const bench = await startBench(t, 3);
  await bench.write('/f', 'x');
  const stop = new AbortController();
  const sink = new RecorderSink({ isJson: false });
  const running = bench.run('decommission dn1', { sink, signal: stop.signal });
  await waitUntil(() => sink.notices.some((line) => /3 replicas are wanted, and only 2 data nodes are live and in service/.test(line)));
  stop.abort();
  t.is((await running).code, 130);
  const { progress } = sink.progressed.at(-1)!;
  t.deepEqual(progress.steps, { done: 0, total: 1, unit: 'blocks' });
  t.is(progressLine(progress, progress.startedMs + 5000), 'decommission dn1  0%  0 / 1 blocks', 'blocks are counted, no bytes are claimed');
  t.is(progressLine({ ...progress, steps: null }, progress.startedMs + 5000), 'decommission dn1  0:05');
  t.regex(summaryLines(sink.ended[0]!.outcome).join(), /^- decommission cancelled dn1 {3}\d+\.\d s$/, 'no bytes of ours were moved');
  t.true(sink.errors.some((line) => line.includes("`recommission dn1' takes it back")), sink.errors.join('\n'));
  const shown = (await bench.run('report -decommissioning')).stdout;
  t.regex(shown, /Decommissioning datanodes \(1\):\n\nName: /);
  t.regex(shown, /Decommission Status : Decommission in progress\nWaiting For: 1 block to be copied; 3 replicas are wanted/);
  t.is((await bench.run('recommission dn1')).stdout.trim().split(': ')[1], 'Normal');
});

test('a node is emptied while a client writes to it: the decommission waits for the file, and every byte of it is there (fault 52)', async (t) => {
  const bench = await startBench(t, 4);
  const client = bench.client();
  const bytes = Buffer.alloc(40_000, 'abcdefg');
  let pipeline: string[] = [];
  const writer = await client.openWriter('/open', { onProgress: (progress) => (pipeline = [...progress.pipeline]) });
  await writer.write(bytes);
  await writer.hflush();
  t.is(pipeline.length, 3);
  const [name] = pipeline;
  const running = bench.run(`decommission ${name!}`);
  await waitUntil(() => /^1 block being written there/.test(bench.cluster.health().datanodes.find((node) => node.name === name)!.adminNote));
  await writer.close();
  t.is((await running).code, 0);
  t.is((await bench.run('cat /open')).stdout, bytes.toString());
  const check = await bench.run('fsck /open -files -blocks -locations');
  t.regex(check.stdout, /Live_repl=3/);
});

test('maintenance returns when the node may go; it ends by itself, and bad words are refused', async (t) => {
  const bench = await startBench(t, 4);
  await bench.run('put - /single', { input: 'x' });
  await bench.setUp('setrep -w 1 /single');
  t.regex((await bench.run('maintenance dn1 1h')).stdout, /dn1 .*: In Maintenance/);
  const report = (await bench.run('report -inmaintenance')).stdout;
  t.regex(report, /In maintenance datanodes \(1\):/);
  t.regex(report, /Decommission Status : In Maintenance\nMaintenance Ends In: 59m 5\ds|Maintenance Ends In: 1h/);
  t.is((await bench.run('cat /single')).stdout, 'x');
  t.is((await bench.run('maintenance dn1 1s')).code, 0);
  await waitUntil(() => bench.cluster.health().datanodes[0]!.adminState === 'normal');
  const bad = await bench.run('maintenance dn1 soon');
  t.is(bad.code, 255);
  t.regex(bad.stderr, /DURATION is "soon": a number with s, m, h or d expected/);
  const nobody = await bench.run('decommission dn9');
  t.is(nobody.code, 1);
  t.regex(nobody.stderr, /there is no data node dn9; the cluster has dn1, dn2, dn3, dn4/);
  await bench.setUp('safemode enter');
  const safe = await bench.run('decommission dn1');
  t.not(safe.code, 0);
  t.regex(safe.stderr, /Cannot decommission dn1\. Name node is in safe mode\./);
  await bench.setUp('safemode leave');
  const other = await bench.run('decommission dn1', { user: 'bob' });
  t.not(other.code, 0);
  t.regex(other.stderr, /Access denied for user bob\. Superuser privilege is required for operation decommission/);
  t.is(bench.cluster.health().datanodes[0]!.adminState, 'normal');
});

test('a wish is in the log of edits, and outlives the name node', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 64 * 1024, dataNodeCount: 3, isLmdb: true });
  t.is((await bench.run('decommission --no-wait dn3')).code, 0);
  await bench.cluster.restartNameNode();
  await waitUntil(() => bench.cluster.health().datanodes.find(({ name }) => name === 'dn3')?.adminState === 'decommissioned');
  t.is((await bench.run('recommission dn3')).code, 0);
  await bench.cluster.restartNameNode();
  await waitUntil(() => bench.cluster.health().datanodes.filter(({ state }) => state === 'live').length === 3);
  t.is(bench.cluster.health().datanodes.find(({ name }) => name === 'dn3')?.adminState, 'normal');
});

test('balancer says when all is even, in HDFS\'s words; what it may be asked is checked', async (t) => {
  const bench = await startBench(t, 3);
  await bench.write('/f', 'x'.repeat(100_000));
  const { code, stdout } = await bench.run('balancer -threshold 5');
  t.is(code, 0);
  t.regex(stdout, /^Time Stamp {15}Iteration#  Bytes Already Moved  Bytes Left To Move  Bytes Being Moved  NameNode\n/);
  t.regex(stdout, /\nThe cluster is balanced\. Exiting\.\.\.\n[A-Z].* Balancing took \d+\.\d{3} seconds\n$/);
  t.regex((await bench.run('balancer -status')).stdout, /^The balancer does not run; last: balanced, 0 B in 0 blocks moved/);
  t.like((await bench.run('balancer -stop', { isJson: true })).sink.records[0], { isRunning: false, outcome: 'balanced', run: 1 });
  for (const bad of ['balancer -threshold 0', 'balancer -threshold x', 'balancer -threshold 101', 'balancer -status -stop']) t.is((await bench.run(bad)).code, 255, bad);
  await bench.run('safemode enter');
  t.like(await bench.run('balancer'), { code: 1, stderr: 'balancer: Cannot start the balancer. Name node is in safe mode.\n' });
  t.is((await bench.run('balancer -status')).code, 0);
  await bench.run('safemode leave');
  t.regex((await bench.run('balancer', { user: 'bob' })).stderr, /Superuser privilege is required for operation balancer/);
});

test('Ctrl-C stops the balancer itself', async (t) => {
  const bench = await startBench(t, 3);
  const stop = new AbortController();
  const sink = new RecorderSink({ isJson: false });
  const asked: string[] = [];
  const client = (real: ReturnType<CommandBench['client']>) =>
    new Proxy(real, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'balance') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return async (action: string) => {
          asked.push(action);
          return { isRunning: action !== 'stop', run: 1, thresholdPercent: 10, outcome: 'none', startedTimeMs: 1, durationMs: 5, movedBlocks: 3, movedBytes: 3000, movingBytes: 0, leftBytes: 5000 };
        };
      },
    });
  const running = bench.run('balancer', { sink, signal: stop.signal, client });
  await waitUntil(() => asked.length >= 3);
  stop.abort();
  t.is((await running).code, 130);
  t.is(asked.at(-1), 'stop');
  t.true(sink.errors.some((line) => line.includes('goes on where it was')));
});
