import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Names and numbers of this machine's users or groups: /etc/passwd or /etc/group. Read once, when first asked. */
class Accounts {
  readonly #file: string;
  readonly #own: () => [string, number] | undefined;
  #names: Map<number, string> | undefined;
  #numbers: Map<string, number> | undefined;

  constructor(file: string, own: () => [string, number] | undefined) {
    this.#file = file;
    this.#own = own;
  }

  /** The number itself, as text, where it has no name. */
  name(number: number): string {
    return this.#load().names.get(number) ?? String(number);
  }

  /** Undefined if there is none of the name, which may be a number itself. */
  number(name: string): number | undefined {
    return this.#load().numbers.get(name) ?? (/^\d{1,9}$/.test(name) ? Number(name) : undefined);
  }

  #load(): { names: Map<number, string>; numbers: Map<string, number> } {
    if (this.#names && this.#numbers) return { names: this.#names, numbers: this.#numbers };
    const names = (this.#names = new Map<number, string>());
    const numbers = (this.#numbers = new Map<string, number>());
    const add = (name: string, number: number) => {
      if (!numbers.has(name)) numbers.set(name, number);
      if (!names.has(number)) names.set(number, name);
    };
    const own = this.#own();
    if (own) add(...own);
    for (const line of readLines(this.#file)) {
      const [name, , number] = line.split(':');
      if (name && number && /^\d+$/.test(number)) add(name, Number(number));
    }
    return { names, numbers };
  }
}

// Absent on some systems: then only the own user has a name.
function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}

export const localUsers = new Accounts('/etc/passwd', () => {
  const { username, uid } = userInfo();
  return uid < 0 ? undefined : [username, uid];
});
export const localGroups = new Accounts('/etc/group', () => undefined);
