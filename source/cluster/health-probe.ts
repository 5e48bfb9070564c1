import { userInfo } from 'node:os';
import { parseAddress } from '../base/address.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';

/** What the name node at an address says of its cluster; undefined when none answers there in time. Never rejects. */
export type HealthProbe = (nameNode: string) => Promise<ClusterHealth | undefined>;

const answerLimitMs = 2000;
const maxAnswerBytes = 16 * 1024 * 1024;

/** Asks cluster.getHealth by POST /rpc: the door for everybody, so that whatever else listens there is seen not to be a name node. */
export const probeHealth: HealthProbe = async (nameNode) => {
  const { request } = await import('node:http');
  const address = parseAddress(nameNode);
  if (!address) return undefined;
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'cluster.getHealth', params: {} });
  return new Promise((resolve) => {
    const call = request(
      {
        ...address,
        method: 'POST',
        path: '/rpc',
        agent: false,
        timeout: answerLimitMs,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-dfsh-user': userInfo().username, 'x-dfsh-client': `cluster-${process.pid}` },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let lengthBytes = 0;
        response.on('data', (chunk: Buffer) => {
          lengthBytes += chunk.length;
          if (lengthBytes > maxAnswerBytes) call.destroy();
          chunks.push(chunk);
        });
        response.on('end', () => resolve(healthIn(Buffer.concat(chunks).toString())));
        response.on('close', () => resolve(undefined));
      },
    );
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(undefined));
    call.end(body);
  });
};

function healthIn(text: string): ClusterHealth | undefined {
  try {
    const answer = JSON.parse(text) as { result?: Partial<ClusterHealth> } | null;
    const health = answer?.result;
    return Array.isArray(health?.datanodes) && typeof health.safeMode?.isOn === 'boolean' ? (health as ClusterHealth) : undefined;
  } catch {
    return undefined;
  }
}
