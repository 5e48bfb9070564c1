import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { blockName } from '../protocol/block.js';
import type { ClientProtocol } from '../protocol/client-protocol.js';
import type { ClusterHealth, DatanodeReport } from '../protocol/cluster-events.js';
import { InvalidArgumentError, SafeModeError, UnsupportedError } from '../protocol/errors.js';
import type { CallContext, Handlers } from '../protocol/method.js';
import { nullAnswer } from './answer.js';
import type { Balancer } from './balancer.js';
import type { BlockManagement } from './block-management.js';
import type { DatanodeAdministration } from './datanode-administration.js';
import type { DatanodeManager } from './datanode-manager.js';
import type { GroupMapping } from './group-mapping.js';
import type { LeaseManager } from './lease-manager.js';
import type { MutatingCall, Namespace } from './namespace.js';
import { type Caller, checkSuperuser } from './permission-checker.js';
import type { Requester } from './plan.js';
import { planAddBlock } from './plan-add-block.js';
import { planAppend } from './plan-append.js';
import { planSetOwner, planSetPermission, planSetReplication, planSetTimes } from './plan-attributes.js';
import { planComplete } from './plan-complete.js';
import { planConcat } from './plan-concat.js';
import { planCreate } from './plan-create.js';
import { planDelete, UncheckedSubtree } from './plan-delete.js';
import { planMkdirs } from './plan-mkdirs.js';
import { chooseAdditionalDatanodes, planAbandonBlock, planUpdateBlockForPipeline, planUpdatePipeline } from './plan-pipeline.js';
import { planRecoverLease } from './plan-recover-lease.js';
import { planRename } from './plan-rename.js';
import { planTruncate } from './plan-truncate.js';
import { createAccessTimeKeeper, spreadReplication } from './own-edits.js';
import { getBlockLocations } from './read-blocks.js';
import { checkActions, getFileInfo, getListing, type ReadScope } from './read-status.js';
import { resolvePath } from './resolve-path.js';
import { checkSubtreeAccess, getContentSummary } from './walk-subtree.js';

/** Safe mode as the service needs it (SafeMode). */
export interface SafeModeGate {
  readonly isOn: boolean;
  readonly reason: string;
  allow(what: string): Promise<void> | undefined;
  enter(): void;
  leave(): void;
  forceExit(): void;
}

export interface ClientServiceParts {
  readonly namespace: Namespace;
  readonly blocks: BlockManagement;
  readonly leases: LeaseManager;
  readonly safeMode: SafeModeGate;
  readonly groups: GroupMapping;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: { health(): ClusterHealth; reports(): DatanodeReport[]; datanodes: Pick<DatanodeManager, 'findByName'>; administration: Pick<DatanodeAdministration, 'setWish'>; balancer: Pick<Balancer, 'status' | 'start' | 'stop'> };
  readonly saveImage?: (() => Promise<{ path: string; sizeBytes: number; lastEditId: number }>) | undefined;
  readonly options: ClientServiceOptions;
}

export interface ClientServiceOptions {
  readonly clusterId: string;
  /** Who runs the name node. */
  readonly superuser: string;
  readonly supergroup: string;
  readonly trashIntervalMinutes: number;
  readonly isDurableClose: boolean;
  readonly softLeaseLimitMs: number;
  /** Access times are kept to this (HDFS: dfs.namenode.accesstime.precision); 0: not kept. */
  readonly accessTimePrecisionMs: number;
}

const defaultThresholdPercent = 10;
const nodeOperations = { normal: 'recommission', decommissioned: 'decommission', 'in-maintenance': 'maintenance' } as const;
const safeModeOperations = { enter: 'safemode_enter', leave: 'safemode_leave', forceExit: 'safemode_force_exit' } as const;

/** What the name node answers to clients (Hadoop: NameNodeRpcServer, FSNamesystem). */
export function createClientHandlers(parts: ClientServiceParts): Handlers<ClientProtocol> {
  const { namespace, blocks, leases, safeMode, groups, clock, logger, cluster, options } = parts;
  const { view, cache } = namespace;
  const yieldTurn = () => sleep(clock, 0);
  const noteAccess = createAccessTimeKeeper({ namespace, clock, logger, precisionMs: options.accessTimePrecisionMs });

  let saving: ReturnType<NonNullable<ClientServiceParts['saveImage']>> | undefined;

  const requesterOf = (context: CallContext): Requester => ({ caller: callerOf(context.user, groups, options), clientId: context.clientId, address: context.remoteAddress });
  const readScope = (context: CallContext): ReadScope => ({ view, cache, requester: requesterOf(context) });
  const callOf = (method: keyof ClientProtocol, params: MutatingCall['params'], context: CallContext): MutatingCall => ({ method, params, requester: requesterOf(context) });

  return {
    'fs.getServerDefaults': () => ({
      clusterId: options.clusterId,
      blockSizeBytes: namespace.defaults.blockSizeBytes,
      replication: namespace.defaults.replication,
      minReplication: namespace.defaults.minReplication,
      trashIntervalMinutes: options.trashIntervalMinutes,
      isDurableClose: options.isDurableClose,
      softLeaseLimitMs: options.softLeaseLimitMs,
      supergroup: options.supergroup,
    }),
    'fs.getFileInfo': (params, context) => getFileInfo(readScope(context), params.path),
    'fs.getListing': (params, context) => getListing(readScope(context), params, yieldTurn),
    'fs.getContentSummary': (params, context) => getContentSummary(readScope(context), params.path, yieldTurn),
    'fs.checkAccess': (params, context) => checkActions(readScope(context), params),
    'fs.getStatus': () => blocks.spaceStatus(),
    'fs.getBlockLocations': (params, context) => {
      const { inode, result } = getBlockLocations({ ...readScope(context), blocks }, params);
      if (!safeMode.isOn) noteAccess(inode);
      return result;
    },

    'fs.create': async (params, context) => {
      await safeMode.allow(`Cannot create file${params.path}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.create', params, context), (scope) => planCreate(scope, params));
    },
    'fs.addBlock': async (params, context) => {
      await safeMode.allow(`Cannot add block to inode ${params.inodeId}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.addBlock', params, context), (scope) => planAddBlock(scope, params));
    },
    'fs.abandonBlock': async (params, context) => {
      await safeMode.allow(`Cannot abandon block ${blockName(params.block)} for inode ${params.inodeId}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.abandonBlock', params, context), (scope) => planAbandonBlock(scope, params));
    },
    'fs.updateBlockForPipeline': async (params, context) => {
      await safeMode.allow(`Cannot get a new GS for block ${blockName(params.block)}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.updateBlockForPipeline', params, context), (scope) => planUpdateBlockForPipeline(scope, params));
    },
    'fs.updatePipeline': async (params, context) => {
      await safeMode.allow('Pipeline not updated');
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.updatePipeline', params, context), (scope) => planUpdatePipeline(scope, params));
    },
    'fs.getAdditionalDatanodes': (params, context) => {
      leases.renew(context.clientId);
      return chooseAdditionalDatanodes({ ...readScope(context), counters: view.readCounters(), blocks }, params);
    },
    'fs.complete': async (params, context) => {
      await safeMode.allow(`Cannot complete file inode ${params.inodeId}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.complete', params, context), (scope) => planComplete(scope, params));
    },
    'fs.append': async (params, context) => {
      await safeMode.allow(`Cannot append to file${params.path}`);
      leases.renew(context.clientId);
      return namespace.mutate(callOf('fs.append', params, context), (scope) => planAppend(scope, params));
    },
    'fs.truncate': async (params, context) => {
      await safeMode.allow(`Cannot truncate for ${params.path}`);
      return namespace.mutate(callOf('fs.truncate', params, context), (scope) => planTruncate(scope, params));
    },
    'fs.concat': async (params, context) => {
      await safeMode.allow(`Cannot concat ${params.target}`);
      let targetId: number | undefined;
      await namespace.mutate(callOf('fs.concat', params, context), (scope) => planConcat(scope, params, (inodeId) => (targetId = inodeId)));
      if (targetId !== undefined) await spreadReplication(view, blocks, targetId, yieldTurn);
      return null;
    },
    'fs.recoverLease': async (params, context) => {
      await safeMode.allow(`Cannot recover the lease of ${params.path}`);
      return namespace.mutate(callOf('fs.recoverLease', params, context), (scope) => planRecoverLease(scope, params));
    },
    'fs.renewLease': (_params, context) => ({ openFileCount: leases.renew(context.clientId) }),

    'fs.mkdirs': async (params, context) => {
      await safeMode.allow(`Cannot create directory ${params.path}`);
      return namespace.mutate(callOf('fs.mkdirs', params, context), (scope) => planMkdirs(scope, params));
    },
    'fs.rename': async (params, context) => {
      await safeMode.allow(`Cannot rename ${params.source}`);
      return namespace.mutate(callOf('fs.rename', params, context), (scope) => planRename(scope, params));
    },
    'fs.delete': async (params, context) => {
      await safeMode.allow(`Cannot delete ${params.path}`);
      const call = callOf('fs.delete', params, context);
      let checkedId: number | undefined;
      for (;;) {
        try {
          return await namespace.mutate(call, (scope) => planDelete(scope, params, checkedId));
        } catch (error) {
          if (!(error instanceof UncheckedSubtree)) throw error;
          checkedId = await checkDirectoryToDelete(call.requester.caller, params.path);
        }
      }
    },
    'fs.setPermission': async (params, context) => {
      await safeMode.allow(`Cannot set permission for ${params.path}`);
      return namespace.mutate(callOf('fs.setPermission', params, context), (scope) => planSetPermission(scope, params));
    },
    'fs.setOwner': async (params, context) => {
      await safeMode.allow(`Cannot set owner for ${params.path}`);
      return namespace.mutate(callOf('fs.setOwner', params, context), (scope) => planSetOwner(scope, params));
    },
    'fs.setTimes': async (params, context) => {
      await safeMode.allow(`Cannot set times ${params.path}`);
      return namespace.mutate(callOf('fs.setTimes', params, context), (scope) => planSetTimes(scope, params));
    },
    'fs.setReplication': async (params, context) => {
      await safeMode.allow(`Cannot set replication for ${params.path}`);
      let changedId: number | undefined;
      const isFile = await namespace.mutate(callOf('fs.setReplication', params, context), (scope) => planSetReplication(scope, params, (inodeId) => (changedId = inodeId)));
      if (changedId !== undefined) await spreadReplication(view, blocks, changedId, yieldTurn);
      return isFile;
    },

    'block.reportBadReplicas': (params) => {
      blocks.reportBadReplicas(params.replicas);
      return null;
    },
    'cluster.getDatanodes': () => cluster.reports(),
    'cluster.getHealth': () => cluster.health(),
    'cluster.setNodeState': async (params, context) => {
      checkSuperuser(requesterOf(context).caller, nodeOperations[params.state]);
      await safeMode.allow(`Cannot ${nodeOperations[params.state]} ${params.node}`);
      const node = cluster.datanodes.findByName(params.node);
      const names = cluster.reports().map(({ name }) => name);
      if (!node) throw new InvalidArgumentError(`there is no data node ${params.node}; the cluster has ${names.length === 0 ? 'none yet' : names.join(', ')}`);
      const { state } = params;
      const durationMs = state === 'in-maintenance' ? params.durationMs : undefined;
      await namespace.mutate(callOf('cluster.setNodeState', params, context), () => ({
        op: { kind: 'setNodeState', datanodeUuid: node.uuid, state, durationMs },
        answer: nullAnswer,
        effects: () => cluster.administration.setWish(node, state, durationMs),
      }));
      logger.info(`${node.name}: ${context.user} wants it ${state}`);
      return node.report(clock.monotonicMs());
    },
    'cluster.balance': async ({ action, thresholdPercent = defaultThresholdPercent }, context) => {
      if (action === 'get') return cluster.balancer.status();
      checkSuperuser(requesterOf(context).caller, 'balancer');
      if (action === 'start') await safeMode.allow('Cannot start the balancer');
      logger.info(`balancer: ${context.user} asks to ${action}`);
      return action === 'start' ? cluster.balancer.start(thresholdPercent) : cluster.balancer.stop();
    },
    'cluster.setSafeMode': ({ action }, context) => {
      if (action !== 'get') {
        checkSuperuser(requesterOf(context).caller, safeModeOperations[action]);
        logger.info(`safe mode: ${context.user} asks to ${action === 'forceExit' ? 'force its exit' : action}`);
        safeMode[action]();
      }
      return { isOn: safeMode.isOn, reason: safeMode.reason };
    },
    // FSNamesystem.saveNamespace
    'cluster.saveNamespace': async (_params, context) => {
      checkSuperuser(requesterOf(context).caller, 'saveNamespace');
      if (!safeMode.isOn) throw new SafeModeError('Safe mode should be turned ON in order to create namespace image.');
      if (!parts.saveImage) throw new UnsupportedError('this name node keeps its store in memory: there is nowhere to save it to');
      // One at a time: who asks meanwhile, a retry say, gets the same.
      saving ??= parts.saveImage().finally(() => (saving = undefined));
      const { path, sizeBytes, lastEditId } = await saving;
      logger.info(`${context.user} has saved the name space at edit ${lastEditId} in ${path}`);
      return { path, sizeBytes, lastEditId };
    },
  };

  /** The directory at the path, once the caller is found to have the right to delete all below it; undefined if there is none now. */
  async function checkDirectoryToDelete(caller: Caller, path: string): Promise<number | undefined> {
    const { last } = resolvePath(view, cache, path);
    if (last?.type !== 'directory') return undefined;
    await checkSubtreeAccess(view, caller, { directory: last, path }, yieldTurn);
    return last.id;
  }
}

function callerOf(user: string, groups: GroupMapping, options: ClientServiceOptions): Caller {
  const list = groups.groupsOf(user);
  return { user, groups: list, isSuperuser: user === options.superuser || list.includes(options.supergroup) };
}
