import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.js';

/** Which groups a user is in: the name node's own view, never the caller's word (HDFS: GroupMappingServiceProvider). */
export interface GroupMapping {
  /** The primary group first; [] for a user whom nobody knows. */
  groupsOf(user: string): readonly string[];
}

const defaultRefreshMs = 300_000; // HDFS: hadoop.security.groups.cache.secs

/**
 * Groups as the machine's /etc/passwd and /etc/group have them. Both are read at the first question, and again when they are
 * `refreshMs` old; where they cannot be read, nobody is in any group.
 */
export class SystemGroupMapping implements GroupMapping {
  readonly #clock: Clock;
  readonly #refreshMs: number;
  readonly #readFile: (file: string) => string;
  #groups = new Map<string, string[]>();
  #readAtMs = -Infinity;

  constructor(clock: Clock, options: { refreshMs?: number; readFile?: (file: string) => string } = {}) {
    this.#clock = clock;
    this.#refreshMs = options.refreshMs ?? defaultRefreshMs;
    this.#readFile = options.readFile ?? ((file) => readFileSync(file, 'utf8'));
  }

  groupsOf(user: string): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readAtMs >= this.#refreshMs) {
      this.#readAtMs = nowMs;
      this.#groups = parseGroups(this.#read('/etc/passwd'), this.#read('/etc/group'));
    }
    return this.#groups.get(user) ?? [];
  }

  #read(file: string): string {
    try {
      return this.#readFile(file);
    } catch {
      return '';
    }
  }
}

/** Groups by user: passwd's `name:password:uid:gid:...` tells the primary one, group's `name:password:gid:user,user` the others. */
export function parseGroups(passwd: string, group: string): Map<string, string[]> {
  const groupLines = group.split('\n').map((line) => line.split(':'));
  const nameOfId = new Map(groupLines.map(([name, , id]) => [id, name]));
  const groups = new Map<string, string[]>();
  const add = (user: string | undefined, name: string | undefined) => {
    if (!user || !name) return;
    const list = groups.get(user) ?? [];
    if (!list.includes(name)) list.push(name);
    groups.set(user, list);
  };
  for (const line of passwd.split('\n')) {
    const [user, , , id] = line.split(':');
    add(user, nameOfId.get(id));
  }
  for (const [name, , , users] of groupLines) for (const user of users?.split(',') ?? []) add(user.trim(), name);
  return groups;
}
