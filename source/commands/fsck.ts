import { escapeControls } from '../base/text.js';
import type { DfsClient } from '../client/client-api.js';
import { blockName } from '../protocol/block.js';
import { FileNotFoundError, InvalidArgumentError } from '../protocol/errors.js';
import { type BlockCheck, checkBlock, FsckTotals } from './block-check.js';
import type { Command, CommandContext } from './command.js';
import { noSuchFile, UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { reportTime } from './format-time.js';
import { inOrder } from './in-order.js';
import { javaFloat } from './java-float.js';
import { childItem, type ExistingItem, expandDestination, isExisting } from './path-item.js';
import type { CorruptBlockRecord, FsckRecord, FsckStatus } from './records.js';

const filesAtATime = 16;

export const command: Command = {
  name: 'fsck',
  group: 'Cluster',
  summary: 'Check the blocks of files',
  usage: '<path> [-list-corruptfileblocks | [-openforwrite] [-files [-blocks [-locations | -racks]]]] [-maintenance]',
  flags: [
    { name: 'files', summary: 'Print every file' },
    { name: 'blocks', summary: 'With -files: print every block' },
    { name: 'locations', summary: 'With -blocks: print where its replicas are' },
    { name: 'racks', summary: 'With -blocks: print the racks, too' },
    { name: 'maintenance', summary: 'Count the replicas on nodes in maintenance, too' },
    { name: 'openforwrite', summary: 'Files that are being written, too' },
    { name: 'list-corruptfileblocks', summary: 'Print only the blocks without a good replica' },
    { name: 'showprogress', summary: "Taken for HDFS's sake" },
  ],
  flagParsing: 'anywhere',
  arguments: [{ name: 'path', kind: 'remote-path', isOptional: true, isRepeated: true }],
  description:
    'Exit code 0 for a healthy tree, 1 for one with a block that no live node has good bytes of, 255 if a part could not be looked at. Files that are being written are left out.',
  examples: ['fsck /', 'fsck /user/me -files -blocks -locations'],
  async run(invocation, context) {
    const [word, second] = invocation.operands;
    if (word === undefined) throw new UsageError('Not enough arguments: expected 1 but got 0');
    if (second !== undefined) throw new UsageError(`can only operate on one path at a time '${second}'`);
    const run = new PathRun(invocation, context);
    const root = await expandDestination(word, context);
    if (!isExisting(root)) {
      run.fail(noSuchFile(root), root);
      return run.exitCode;
    }
    if (!root.fileSystem.capabilities.hasReplication)
      throw new InvalidArgumentError(`fsck checks the distributed file system, not ${root.fileSystem.uri}`);
    const check = new Check(run, await context.client(), invocation.flags);
    return invocation.flags.has('list-corruptfileblocks') ? check.listCorrupt(root) : check.report(root);
  },
};

/** The exit code for what is not healthy. */
const corruptPath = 1;
/** As HDFS's, for what could not be looked at. */
const failedCheck = 255;

interface CheckedFile {
  item: ExistingItem;
  blocks: BlockCheck[];
  /** The block that somebody writes: how many replicas it is to have is not decided, so it is shown, and not judged. */
  beingWritten?: BlockCheck | undefined;
  error?: unknown;
}

class Check {
  readonly #run: PathRun;
  readonly #context: CommandContext;
  readonly #client: DfsClient;
  readonly #flags: ReadonlyMap<string, string | true>;
  readonly #totals = new FsckTotals();
  #minReplication = 1;
  #rackCount = 1;

  constructor(run: PathRun, client: DfsClient, flags: ReadonlyMap<string, string | true>) {
    this.#run = run;
    this.#context = run.context;
    this.#client = client;
    this.#flags = flags;
  }

  async report(root: ExistingItem): Promise<number> {
    const { clock, session, sink } = this.#context;
    const startedMs = clock.monotonicMs();
    const [defaults, datanodes, health] = await Promise.all([this.#client.getServerDefaults(), this.#client.getDatanodes(), this.#client.getHealth()]);
    this.#minReplication = defaults.minReplication;
    this.#rackCount = new Set(datanodes.filter(({ state, adminState }) => state !== 'dead' && adminState === 'normal').map(({ rack }) => rack)).size;
    const host = this.#client.uri.replace(/^\w+:\/\//, '').replace(/:\d+$/, '');
    sink.out(
      `FSCK started by ${escapeControls(session.user)} (auth:SIMPLE) from /${host} for path ${escapeControls(root.path)} at ${reportTime(clock.nowMs())}`,
    );
    sink.out('');
    for await (const file of this.#files(root)) this.#sayFile(file);
    const live = datanodes.filter(({ state }) => state !== 'dead');
    const status = !this.#totals.isHealthy ? 'CORRUPT' : this.#run.exitCode === 0 ? 'HEALTHY' : 'FAILED';
    const summary = summaryLines(this.#totals, status, {
      nodeCount: live.length,
      rackCount: new Set(live.map(({ rack }) => rack)).size,
      replication: defaults.replication,
      isMaintenanceShown: this.#flags.has('maintenance'),
      queuedBlocks: Math.max(0, health.repair.totalBlocks - health.repair.doneBlocks),
    });
    for (const line of summary) sink.out(line);
    sink.out(`FSCK ended at ${reportTime(clock.nowMs())} in ${Math.round(clock.monotonicMs() - startedMs)} milliseconds`);
    sink.out('');
    sink.out('');
    // What could not be looked at is not called healthy.
    const path = `path '${escapeControls(root.path)}'`;
    sink.out(status === 'FAILED' ? `Fsck on ${path} FAILED` : `The filesystem under ${path} is ${status}`);
    this.#record(toSummaryRecord(root.path, status, this.#totals));
    return { HEALTHY: 0, CORRUPT: corruptPath, FAILED: failedCheck }[status];
  }

  async listCorrupt(root: ExistingItem): Promise<number> {
    let count = 0;
    for await (const { item, blocks } of this.#files(root)) {
      for (const { blockId, isCorrupt, isMissing } of blocks) {
        if (!isCorrupt && !isMissing) continue;
        if (count++ === 0) this.#context.sink.out(`The list of corrupt blocks under path '${escapeControls(root.path)}' are:`);
        this.#context.sink.out(`${blockName({ blockId })}\t${escapeControls(item.path)}`);
        const record: CorruptBlockRecord = { path: item.path, blockId };
        this.#context.sink.record(record);
      }
    }
    this.#context.sink.out(`The filesystem under path '${escapeControls(root.path)}' has ${count} CORRUPT blocks`);
    return count === 0 ? this.#run.exitCode : corruptPath;
  }

  /** Every file below, with its blocks, in the order of the tree; directories are counted, and said with -files, on the way. */
  async *#files(root: ExistingItem): AsyncIterable<CheckedFile> {
    for await (const entry of inOrder(this.#tree(root), filesAtATime, async (item) => (item.status.type === 'file' ? this.#checkFile(item) : item))) {
      if (!('blocks' in entry)) {
        this.#totals.directories++;
        if (this.#flags.has('files')) this.#context.sink.out(`${escapeControls(entry.path)} <dir>`);
      } else if (entry.error !== undefined) {
        this.#failUnlessGone(entry.error, entry.item);
      } else {
        yield entry;
      }
    }
  }

  async *#tree(item: ExistingItem): AsyncIterable<ExistingItem> {
    if (item.status.type === 'file') {
      if (!item.status.isUnderConstruction || this.#flags.has('openforwrite')) yield item;
      else this.#totals.openFiles++;
      return;
    }
    yield item;
    try {
      for await (const status of item.fileSystem.list(item.path, { signal: this.#context.signal })) yield* this.#tree(childItem(item, status));
    } catch (error) {
      this.#failUnlessGone(error, item);
    }
  }

  /** What is deleted while the check runs has nothing to be checked. */
  #failUnlessGone(error: unknown, item: ExistingItem): void {
    if (!(error instanceof FileNotFoundError)) this.#run.fail(error, item);
  }

  async #checkFile(item: ExistingItem): Promise<CheckedFile> {
    const blocks: BlockCheck[] = [];
    let beingWritten: BlockCheck | undefined;
    const isPlaced = this.#flags.has('blocks') && (this.#context.sink.isJson || this.#flags.has('locations') || this.#flags.has('racks'));
    try {
      for await (const block of this.#client.blocks(item.path, { allReplicas: true, signal: this.#context.signal })) {
        const check = checkBlock(block, item.status.replication, { isPlaced, isRacked: this.#flags.has('racks'), rackCount: this.#rackCount });
        if (block.isUnderConstruction) beingWritten = check;
        else blocks.push(check);
      }
    } catch (error) {
      return { item, blocks, error };
    }
    return { item, blocks, beingWritten };
  }

  #sayFile({ item, blocks, beingWritten }: CheckedFile): void {
    const { sink } = this.#context;
    const { replication, lengthBytes } = item.status;
    const path = escapeControls(item.path);
    const problems: string[] = [];
    const lost = { missing: 0, missingBytes: 0, corrupt: 0, corruptBytes: 0 };
    this.#totals.addFile(item.status);
    for (const check of blocks) {
      const bytes = check.lengthBytes;
      this.#totals.addBlock(check, { replication, minReplication: this.#minReplication });
      if (check.missingReplicas > 0) problems.push(underReplicated(check, replication, this.#flags.has('maintenance')));
      if (check.placementError !== '') problems.push(`Replica placement policy is violated for ${blockName(check)}. ${check.placementError}`);
      if (check.isMissing) {
        lost.missing++;
        lost.missingBytes += bytes;
      }
      if (check.isCorrupt) {
        lost.corrupt++;
        lost.corruptBytes += bytes;
        if (!this.#flags.has('files')) sink.out(`\n${path}: CORRUPT block ${blockName(check)}`);
      }
    }
    const isLost = lost.missing > 0 || lost.corrupt > 0;
    if (isLost) this.#totals.corruptFiles++;
    if (lost.missing > 0) problems.push(`MISSING ${lost.missing} blocks of total size ${lost.missingBytes} B.`);
    if (lost.corrupt > 0) problems.push(`CORRUPT ${lost.corrupt} blocks of total size ${lost.corruptBytes} B.`);
    const { isUnderConstruction } = item.status;
    if (this.#flags.has('files') || isUnderConstruction) {
      const verdict = problems.length === 0 ? 'OK' : problems.join('\n ');
      const blockCount = blocks.length + (beingWritten ? 1 : 0);
      sink.out(`${path} ${lengthBytes} bytes, replicated: replication=${replication}, ${blockCount} block(s)${isUnderConstruction ? ', OPENFORWRITE' : ''}:  ${verdict}`);
      if (this.#flags.has('files') && this.#flags.has('blocks')) this.#sayBlocks(blocks, beingWritten);
    } else {
      for (const problem of problems) sink.out(`\n${path}:  ${problem}`);
    }
    this.#recordFile(item, blocks, lost.missing > 0 ? 'MISSING' : lost.corrupt > 0 ? 'CORRUPT' : problems.length > 0 ? 'UNDER REPLICATED' : 'OK');
  }

  #sayBlocks(blocks: readonly BlockCheck[], beingWritten: BlockCheck | undefined): void {
    const isPlaced = this.#flags.has('locations') || this.#flags.has('racks');
    for (const check of blocks) {
      const replicas = check.isMissing ? 'MISSING!' : `Live_repl=${check.liveReplicas}${isPlaced ? `  [${check.places.join(', ')}]` : ''}`;
      this.#context.sink.out(`${check.blockIndex}. ${blockName(check)} len=${check.lengthBytes} ${replicas}`);
    }
    if (beingWritten) {
      const { blockIndex, lengthBytes, expectedReplicas, places } = beingWritten;
      this.#context.sink.out('Under Construction Block:');
      this.#context.sink.out(`${blockIndex}. ${blockName(beingWritten)} len=${lengthBytes} Expected_repl=${expectedReplicas}${isPlaced ? `  [${places.join(', ')}]` : ''}`);
    }
    this.#context.sink.out('');
  }

  #recordFile(item: ExistingItem, blocks: readonly BlockCheck[], status: 'OK' | 'UNDER REPLICATED' | 'CORRUPT' | 'MISSING'): void {
    if (!this.#context.sink.isJson || !this.#flags.has('files')) return;
    const { lengthBytes, replication } = item.status;
    this.#record({ type: 'file', path: item.path, lengthBytes, replication, blockCount: blocks.length, status });
    if (!this.#flags.has('blocks')) return;
    for (const { blockIndex, blockId, generationStamp, lengthBytes: bytes, liveReplicas, places } of blocks) {
      this.#record({ type: 'block', path: item.path, blockIndex, blockId, generationStamp, lengthBytes: bytes, liveReplicas, locations: places });
    }
  }

  #record(record: FsckRecord): void {
    this.#context.sink.record(record);
  }
}

function underReplicated(check: BlockCheck, replication: number, isMaintenanceShown: boolean): string {
  const { liveReplicas, decommissioned, decommissioning, enteringMaintenance, inMaintenance } = check;
  const found = `found ${liveReplicas} live replica(s), ${decommissioned} decommissioned replica(s), ${decommissioning} decommissioning replica(s)`;
  const maintenance = isMaintenanceShown ? ` ${enteringMaintenance} entering maintenance replica(s) and ${inMaintenance} in maintenance replica(s).` : '';
  return `Under replicated ${blockName(check)}. Target Replicas is ${replication} but ${found}.${maintenance}`;
}

function summaryLines(
  totals: FsckTotals,
  status: FsckStatus,
  cluster: { nodeCount: number; rackCount: number; replication: number; isMaintenanceShown: boolean; queuedBlocks: number },
): string[] {
  const { blocks } = totals;
  const share = (count: number, whole = blocks) => (whole > 0 ? `${count} (${javaFloat((count * 100) / whole)} %)` : `${count}`);
  return [
    '',
    `Status: ${status}`,
    ` Number of data-nodes:\t${cluster.nodeCount}`,
    ` Number of racks:\t\t${cluster.rackCount}`,
    ` Total dirs:\t\t\t${totals.directories}`,
    ' Total symlinks:\t\t0',
    '',
    'Replicated Blocks:',
    ` Total size:\t${totals.lengthBytes} B`,
    ` Total files:\t${totals.files}${totals.openFiles > 0 ? ` (Files currently being written: ${totals.openFiles})` : ''}`,
    ` Total blocks (validated):\t${blocks}${blocks > 0 ? ` (avg. block size ${Math.floor(totals.lengthBytes / blocks)} B)` : ''}`,
    ...lossLines(totals),
    ` Minimally replicated blocks:\t${share(totals.minimallyReplicated)}`,
    ` Over-replicated blocks:\t${share(totals.overReplicated)}`,
    ` Under-replicated blocks:\t${share(totals.underReplicated)}`,
    ` Mis-replicated blocks:\t\t${share(totals.badlyPlaced)}`,
    ` Default replication factor:\t${cluster.replication}`,
    ` Average block replication:\t${javaFloat(blocks > 0 ? totals.replicas / blocks : 0)}`,
    ` Missing blocks:\t\t${totals.missing}`,
    ` Corrupt blocks:\t\t${totals.corrupt}`,
    ` Missing replicas:\t\t${share(totals.missingReplicas, totals.expectedReplicas)}`,
    // The name node counts its queue as a whole: of this tree, no more than lacks copies or has them in the wrong places.
    ` Blocks queued for replication:\t${Math.min(totals.underReplicated + totals.badlyPlaced, cluster.queuedBlocks)}`,
    ...(totals.decommissioned > 0 ? [` DecommissionedReplicas:\t${totals.decommissioned}`] : []),
    ...(totals.decommissioning > 0 ? [` DecommissioningReplicas:\t${totals.decommissioning}`] : []),
    ...(cluster.isMaintenanceShown && totals.enteringMaintenance > 0 ? [` EnteringMaintenanceReplicas:\t${totals.enteringMaintenance}`] : []),
    ...(cluster.isMaintenanceShown && totals.inMaintenance > 0 ? [` InMaintenanceReplicas:\t${totals.inMaintenance}`] : []),
  ];
}

function lossLines(totals: FsckTotals): string[] {
  if (totals.isHealthy) return [];
  return [
    '  ********************************',
    `  CORRUPT FILES:\t${totals.corruptFiles}`,
    ...(totals.missing > 0 ? [`  MISSING BLOCKS:\t${totals.missing}`, `  MISSING SIZE:\t\t${totals.missingBytes} B`] : []),
    ...(totals.corrupt > 0 ? [`  CORRUPT BLOCKS: \t${totals.corrupt}`, `  CORRUPT SIZE:\t\t${totals.corruptBytes} B`] : []),
    '  ********************************',
  ];
}

function toSummaryRecord(path: string, status: FsckStatus, totals: FsckTotals): FsckRecord {
  return {
    type: 'summary',
    path,
    status,
    directoryCount: totals.directories,
    fileCount: totals.files,
    lengthBytes: totals.lengthBytes,
    blockCount: totals.blocks,
    minimallyReplicatedBlocks: totals.minimallyReplicated,
    overReplicatedBlocks: totals.overReplicated,
    underReplicatedBlocks: totals.underReplicated,
    badlyPlacedBlocks: totals.badlyPlaced,
    decommissionedReplicas: totals.decommissioned,
    decommissioningReplicas: totals.decommissioning,
    enteringMaintenanceReplicas: totals.enteringMaintenance,
    inMaintenanceReplicas: totals.inMaintenance,
    missingBlocks: totals.missing,
    corruptBlocks: totals.corrupt,
    missingReplicas: totals.missingReplicas,
  };
}
