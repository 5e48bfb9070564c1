import { escapeControls } from '../base/text.js';

/** What `report` and `safemode get` say of a name node that takes no changes for want of space. */
export function readOnlyLine(reason: string): string {
  return `The name node is read-only: ${escapeControls(reason)}`;
}
