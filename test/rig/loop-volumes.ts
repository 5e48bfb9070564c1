import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** FS_IOC_SHUTDOWN, _IOR('X', 125, __u32) (linux/fs.h), with NOLOGFLUSH (2): what the journal has not on the device yet is lost, and so is every dirty page. */
const shutdownIoctl = 0x8004587d;
const noLogFlush = 2;
/** Whoever is there makes the call: Node has no ioctl. Both take the mount points as arguments. */
const callers: [string, string[]][] = [
  ['perl', ['-e', `my $flag = pack('L', ${noLogFlush}); my @files = map { open(my $file, '<', $_) or die "$_: $!"; $file } @ARGV; for (@files) { ioctl($_, ${shutdownIoctl}, $flag) or die "ioctl: $!" }`]],
  ['python3', ['-c', `import fcntl, os, struct, sys\nfor fd in [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]: fcntl.ioctl(fd, ${shutdownIoctl}, struct.pack('I', ${noLogFlush}))`]],
];

const imageBytes = 256 * 1024 * 1024;
const busyTries = 200;

export interface LoopVolume {
  name: string;
  image: string;
  mountPoint: string;
}

/**
 * ext4 file systems on loop files, to be cut off from their power: what was not synced is gone after `cut` and `mount`, as on a disk without
 * a cache of its own. The images lie in memory where that can be: a sync then costs no more than its calls.
 */
export class LoopVolumes {
  readonly volumes: LoopVolume[] = [];
  readonly #images: string;
  readonly #mountPoints: string;
  readonly #caller: [string, string[]];
  readonly #end = () => this.destroy();

  private constructor(folder: string, caller: [string, string[]]) {
    this.#mountPoints = folder;
    this.#images = mkdtempSync(join(imagePlace(), 'dfsh-power-'));
    this.#caller = caller;
    process.once('exit', this.#end);
  }

  /** Why this machine cannot do it; undefined if it can. Tries. */
  static whyNot(): string | undefined {
    if (process.platform !== 'linux') return 'power cuts need Linux';
    if (process.getuid?.() !== 0) return 'power cuts need root, for mounting';
    if (!shutdownCaller()) return 'power cuts need perl or python3, for an ioctl';
    const folder = mkdtempSync(join(tmpdir(), 'dfsh-power-'));
    try {
      const volumes = LoopVolumes.create(folder, ['probe']);
      volumes.destroy();
      return undefined;
    } catch (error) {
      return `power cuts need ext4 on a loop device: ${(error as Error).message.trim().split('\n').at(-1)}`;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** One for each name, mounted at `folder/NAME`. They go with this process, however it ends short of a SIGKILL. */
  static create(folder: string, names: readonly string[]): LoopVolumes {
    const caller = shutdownCaller();
    if (!caller) throw new Error('neither perl nor python3 is there');
    const result = new LoopVolumes(folder, caller);
    try {
      for (const name of names) {
        const volume = { name, image: join(result.#images, name), mountPoint: join(folder, name) };
        const file = openSync(volume.image, 'w');
        ftruncateSync(file, imageBytes);
        closeSync(file);
        run('mkfs.ext4', ['-q', '-F', '-m', '0', volume.image]);
        mkdirSync(volume.mountPoint, { recursive: true });
        result.volumes.push(volume);
        result.mount(name);
      }
      return result;
    } catch (error) {
      result.destroy();
      throw error;
    }
  }

  mountPointOf(name: string): string {
    return this.#find(name).mountPoint;
  }

  /** All that is dirty reaches the device. */
  sync(): void {
    run('sync', ['-f', ...this.volumes.map(({ mountPoint }) => mountPoint)]);
  }

  /** The power goes: of all the named ones within a few microseconds. */
  cut(names: readonly string[]): void {
    run(this.#caller[0], [...this.#caller[1], ...names.map((name) => this.mountPointOf(name))]);
  }

  /** The power is back, and the journal is replayed. Nobody may have a file open. */
  mount(name: string): void {
    const { image, mountPoint } = this.#find(name);
    run('mount', ['-o', 'loop', image, mountPoint]);
  }

  unmount(name: string): void {
    const { mountPoint } = this.#find(name);
    // What a killed process had open is let go a moment after its end.
    for (let tries = 1; ; tries++) {
      try {
        return run('umount', [mountPoint]);
      } catch (error) {
        if (tries === busyTries) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  }

  destroy(): void {
    process.off('exit', this.#end);
    for (const { mountPoint } of this.volumes) {
      // Lazily, should somebody still be in it: the loop device frees itself with the last one.
      if (spawnSync('umount', [mountPoint]).status !== 0) spawnSync('umount', ['-l', mountPoint]);
    }
    rmSync(this.#images, { recursive: true, force: true });
    this.volumes.length = 0;
  }

  #find(name: string): LoopVolume {
    const volume = this.volumes.find((each) => each.name === name);
    if (!volume) throw new Error(`no volume ${name} in ${this.#mountPoints}`);
    return volume;
  }
}

function shutdownCaller(): [string, string[]] | undefined {
  return callers.find(([program]) => spawnSync(program, ['--version']).status === 0);
}

function imagePlace(): string {
  const place = '/dev/shm';
  try {
    const { bavail, bsize } = statfsSync(place);
    if (bavail * bsize > 8 * imageBytes) return place;
  } catch {}
  return tmpdir();
}

function run(program: string, args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
