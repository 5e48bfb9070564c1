import { formatReport } from '../base/size.js';
import { counted, escapeControls } from '../base/text.js';
import type { ClusterHealth, DatanodeReport } from '../protocol/cluster-events.js';
import { adminStateText, formatDuration } from './admin-state.js';
import type { Command } from './command.js';
import { reportTime } from './format-time.js';
import { readOnlyLine } from './read-only-line.js';
import type { ReportRecord } from './records.js';

const states = ['live', 'dead', 'decommissioning', 'enteringmaintenance', 'inmaintenance', 'slownodes'];

export const command: Command = {
  name: 'report',
  group: 'Cluster',
  summary: 'Print the state of the cluster and of its data nodes',
  usage: '[-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] [-slownodes]',
  flags: [
    { name: 'live', summary: 'The live data nodes' },
    { name: 'dead', summary: 'The dead ones' },
    { name: 'decommissioning', summary: 'Those that are being emptied' },
    { name: 'enteringmaintenance', summary: 'Those that are about to be in maintenance' },
    { name: 'inmaintenance', summary: 'Those in maintenance' },
    { name: 'slownodes', summary: 'Those whose peers wait for them much longer than for others' },
  ],
  flagParsing: 'anywhere',
  isAdmin: true,
  arguments: [],
  examples: ['report', 'report -dead'],
  async run(invocation, context) {
    const health = await (await context.client()).getHealth();
    const isAsked = (state: string) => invocation.flags.has(state);
    const isEverything = !states.some(isAsked);
    const dead = health.datanodes.filter(({ state }) => state === 'dead');
    const live = health.datanodes.filter(({ state }) => state !== 'dead');
    const lines = clusterLines(health);
    if (isEverything || isAsked('live')) lines.push(...sectionLines('Live', live, isAsked('live')));
    if (isEverything || isAsked('dead')) lines.push(...sectionLines('Dead', dead, isAsked('dead')));
    const shown = new Set([...(isEverything || isAsked('live') ? live : []), ...(isEverything || isAsked('dead') ? dead : [])]);
    for (const [flag, title, adminState] of [
      ['decommissioning', 'Decommissioning', 'decommissioning'],
      ['enteringmaintenance', 'Entering maintenance', 'entering-maintenance'],
      ['inmaintenance', 'In maintenance', 'in-maintenance'],
    ] as const) {
      if (!isEverything && !isAsked(flag)) continue;
      const nodes = health.datanodes.filter((node) => node.adminState === adminState);
      lines.push(...sectionLines(title, nodes, isAsked(flag)));
      for (const node of nodes) shown.add(node);
    }
    if (isAsked('slownodes')) {
      const nodes = health.datanodes.filter(({ slow }) => slow !== undefined);
      lines.push(...sectionLines('Slow', nodes, true));
      for (const node of nodes) shown.add(node);
    }
    for (const line of lines) context.sink.out(line);
    for (const record of toRecords(health, [...shown])) context.sink.record(record);
    return 0;
  },
};

function toRecords(health: ClusterHealth, datanodes: DatanodeReport[]): ReportRecord[] {
  const { datanodes: _all, repair: _repair, ...cluster } = health;
  return [{ type: 'cluster', health: cluster }, ...datanodes.map((datanode) => ({ type: 'datanode' as const, ...datanode }))];
}

function clusterLines(health: ClusterHealth): string[] {
  const { capacityBytes, usedBytes, remainingBytes, blocks } = health;
  const presentBytes = usedBytes + remainingBytes;
  return [
    ...(health.safeMode.isOn ? ['Safe mode is ON', ...(health.safeMode.reason === '' ? [] : [escapeControls(health.safeMode.reason)])] : []),
    ...(health.readOnlyReason === undefined ? [] : [readOnlyLine(health.readOnlyReason)]),
    `Configured Capacity: ${bytes(capacityBytes)}`,
    `Present Capacity: ${bytes(presentBytes)}`,
    `DFS Remaining: ${bytes(remainingBytes)}`,
    `DFS Used: ${bytes(usedBytes)}`,
    `DFS Used%: ${percent(usedBytes, presentBytes)}`,
    'Replicated Blocks:',
    `\tUnder replicated blocks: ${blocks.underReplicated}`,
    `\tBlocks with corrupt replicas: ${blocks.corrupt}`,
    `\tMissing blocks: ${blocks.missing}`,
    `\tMissing blocks (with replication factor 1): ${blocks.missingWithReplicationOne}`,
    `\tLow redundancy blocks with highest priority to recover: ${blocks.highestPriority}`,
    `\tPending deletion blocks: ${blocks.pendingDeletion}`,
    '',
    '-------------------------------------------------',
  ];
}

function sectionLines(title: string, datanodes: readonly DatanodeReport[], isAsked: boolean): string[] {
  if (datanodes.length === 0 && !isAsked) return [];
  return [`${title} datanodes (${datanodes.length}):`, '', ...datanodes.flatMap(datanodeLines)];
}

function datanodeLines(datanode: DatanodeReport): string[] {
  const {
    address,
    capacityBytes,
    usedBytes,
    nonDfsUsedBytes,
    remainingBytes,
    transferCount,
    lastHeartbeatTimeMs,
    lastBlockReportTimeMs,
    blockCount,
    failedVolumes = [],
    name,
    rack,
    adminState,
    adminNote,
    maintenanceRemainingMs,
    slow,
  } = datanode;
  const host = hostName(address);
  return [
    `Name: ${escapeControls(address)} (${host})`,
    `Hostname: ${host}`,
    ...(rack === '/default-rack' ? [] : [`Rack: ${escapeControls(rack)}`]),
    `Decommission Status : ${adminStateText[adminState]}`,
    ...(adminNote === '' ? [] : [`Waiting For: ${escapeControls(adminNote)}`]),
    ...(maintenanceRemainingMs === null ? [] : [`Maintenance Ends In: ${formatDuration(maintenanceRemainingMs)}`]),
    ...(slow ? [`Slow: its peers wait ${slow.waitMs} ms for a packet, ${slow.usualMs} ms is usual (told by ${counted(slow.reporterCount, 'data node')})`] : []),
    `Configured Capacity: ${bytes(capacityBytes)}`,
    `DFS Used: ${bytes(usedBytes)}`,
    `Non DFS Used: ${bytes(nonDfsUsedBytes)}`,
    `DFS Remaining: ${bytes(remainingBytes)}`,
    `DFS Used%: ${percent(usedBytes, capacityBytes)}`,
    `DFS Remaining%: ${percent(remainingBytes, capacityBytes)}`,
    `Xceivers: ${transferCount}`,
    `Last contact: ${lastHeartbeatTimeMs === 0 ? 'Never' : reportTime(lastHeartbeatTimeMs)}`,
    `Last Block Report: ${lastBlockReportTimeMs === 0 ? 'Never' : reportTime(lastBlockReportTimeMs)}`,
    `Num of Blocks: ${blockCount}`,
    ...(failedVolumes.length > 0 ? [`Failed Volumes (${failedVolumes.length}):`, ...failedVolumes.map(({ directory, reason }) => `\t${escapeControls(directory)}: ${escapeControls(reason)}`)] : []),
    '',
    '',
  ];
}

function hostName(address: string): string {
  const host = escapeControls(address.replace(/:\d+$/, ''));
  return host === '127.0.0.1' || host === '[::1]' ? 'localhost' : host;
}

function bytes(count: number): string {
  return `${count} (${formatReport(count)})`;
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part * 100) / whole).toFixed(2)}%`;
}
