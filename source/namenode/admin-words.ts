import type { AdminState } from '../protocol/cluster-events.js';

/** What a data node's administrator wants of it, inside a sentence: `dn2 is being decommissioned`. */
export const adminWords: Record<AdminState, string> = {
  normal: 'in service',
  decommissioning: 'being decommissioned',
  decommissioned: 'decommissioned',
  'entering-maintenance': 'about to be in maintenance',
  'in-maintenance': 'in maintenance',
};
