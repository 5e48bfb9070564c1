import { isIPv4, isIPv6 } from 'node:net';

/** host:port of a node. */
export interface Address {
  host: string;
  port: number;
}

/** Reads `host`, `host:port`, `[::1]:port`, `::1`. Undefined if it is none of these, or the port is not in 1 to 65535. */
export function parseAddress(text: string, defaultPort?: number): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)|([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const host = (match[1] ?? match[2] ?? match[3])!.toLowerCase();
  const port = match[4] === undefined ? defaultPort : Number(match[4]);
  if (port === undefined || port < 1 || port > 65535) return undefined;
  if (host.includes(':') ? !isIPv6(host) : /^[\d.]+$/.test(host) && !isIPv4(host)) return undefined;
  return { host, port };
}

/** `127.0.0.1:9870`, `[::1]:9870`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for 127.0.0.0/8, ::1 and localhost: addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
