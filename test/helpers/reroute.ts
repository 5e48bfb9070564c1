import { Socket } from 'node:net';

/**
 * Sends this process's connections to some addresses through others, such as a CutProxy's. Preloaded into a node (`preload`), it takes the
 * routes from DFSH_TEST_ROUTES; a test sets its own by `reroute`. From host:port to host:port.
 */
const routes = new Map<string, string>(Object.entries(JSON.parse(process.env['DFSH_TEST_ROUTES'] ?? '{}') as Record<string, string>));

/** Added to those that there are. */
export function reroute(changes: Record<string, string>): void {
  for (const [from, to] of Object.entries(changes)) routes.set(from, to);
}

/** The environment of a node whose connections are to go by `changes`. */
export function routedEnvironment(changes: Record<string, string>): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, DFSH_TEST_ROUTES: JSON.stringify(changes) };
}

/** `isDirect`: of a proxy, to what it stands for. */
type Target = { host?: string; port?: number | string; isDirect?: boolean };
const original = Socket.prototype.connect as (...args: unknown[]) => Socket;

Socket.prototype.connect = function connect(this: Socket, ...args: unknown[]): Socket {
  // net.connect hands its arguments on as one list.
  const target = (Array.isArray(args[0]) ? (args[0] as unknown[])[0] : args[0]) as Target | undefined;
  const route = typeof target === 'object' && target && !target.isDirect ? routes.get(`${target.host}:${target.port}`) : undefined;
  if (route) {
    const [host, port] = route.split(':') as [string, string];
    Object.assign(target!, { host, port: Number(port) });
  }
  return original.apply(this, args);
} as typeof Socket.prototype.connect;
