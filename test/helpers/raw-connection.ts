import { type Socket, connect } from 'node:net';
import { type Hello, helloOf } from '../../source/protocol/hello.js';
import { testIdentity } from './echo-node.js';

/** A bare connection to a node, for saying what no client of ours would say. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #text = '';
  #isClosed = false;
  #wake = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) =>
      socket.on('close', () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      }),
    );
  }

  static async open(address: string): Promise<RawConnection> {
    const socket = connect({ host: '127.0.0.1', port: Number(address.split(':').at(-1)), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawConnection(socket);
  }

  /** A stream on which the hello has been said. */
  static async openRpc(address: string, hello: Partial<Hello> = {}): Promise<RawConnection> {
    const connection = await RawConnection.open(address);
    connection.send({ ...helloOf(testIdentity()), ...hello });
    return connection;
  }

  /** A string as it is, an object as one line of JSON. */
  send(message: string | object): void {
    this.socket.write(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`);
  }

  /** The next line as JSON; null once the node has closed and nothing is left. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async line(): Promise<any> {
    for (;;) {
      const end = this.#text.indexOf('\n');
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return JSON.parse(line);
      }
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Everything that the node sends until it closes. */
  async rest(): Promise<string> {
    await this.closed;
    return this.#text;
  }
}
