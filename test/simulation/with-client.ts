import type { DfsClient } from '../../source/client/client-api.js';
import type { ClientMachine, SimulatedCluster } from './simulated-cluster.js';

export class ClientDiedError extends Error {}

/** Runs `work` with the client of a machine, starting one if there is none. Rejects if that dies meanwhile. */
export function withClient<T>(cluster: SimulatedCluster, machine: ClientMachine, work: (client: DfsClient) => Promise<T>): Promise<T> {
  const client = cluster.startClient(machine);
  const { process } = machine;
  return new Promise<T>((resolve, reject) => {
    process!.onKilled(() => reject(new ClientDiedError('the client was killed')));
    work(client).then(resolve, reject);
  });
}
