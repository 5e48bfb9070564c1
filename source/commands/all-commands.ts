import type { Command } from './command.js';
import { command as cat } from './cat.js';
import { command as cd } from './cd.js';
import { command as checksum } from './checksum.js';
import { command as chgrp } from './chgrp.js';
import { command as chmod } from './chmod.js';
import { command as chown } from './chown.js';
import { command as cluster } from './cluster.js';
import { command as count } from './count.js';
import { command as cp } from './cp.js';
import { command as df } from './df.js';
import { command as du } from './du.js';
import { command as exit } from './exit.js';
import { command as find } from './find.js';
import { command as fsck } from './fsck.js';
import { command as get } from './get.js';
import { command as head } from './head.js';
import { command as help } from './help.js';
import { command as history } from './history.js';
import { command as lcd } from './lcd.js';
import { command as lls } from './lls.js';
import { command as logs } from './logs.js';
import { command as lpwd } from './lpwd.js';
import { command as ls } from './ls.js';
import { command as mkdir } from './mkdir.js';
import { command as moveFromLocal } from './move-from-local.js';
import { command as moveToLocal } from './move-to-local.js';
import { command as mv } from './mv.js';
import { command as node } from './node.js';
import { command as put } from './put.js';
import { command as pwd } from './pwd.js';
import { command as report } from './report.js';
import { command as rm } from './rm.js';
import { command as rmdir } from './rmdir.js';
import { command as rmr } from './rmr.js';
import { command as safemode } from './safemode.js';
import { command as setrep } from './setrep.js';
import { command as stat } from './stat.js';
import { command as tail } from './tail.js';
import { command as test } from './test.js';
import { command as text } from './text.js';
import { command as touch } from './touch.js';
import { command as touchz } from './touchz.js';
import { command as usage } from './usage.js';
import { command as watch } from './watch.js';

/**
 * The code of every command. It is one module because it becomes one piece of the bundle: reading a dozen small files at the start
 * takes longer than reading all of this.
 */
export const commands: readonly Command[] = [
  ls,
  find,
  cat,
  text,
  head,
  tail,
  put,
  get,
  moveFromLocal,
  moveToLocal,
  cp,
  mv,
  mkdir,
  touchz,
  touch,
  rm,
  rmr,
  rmdir,
  stat,
  test,
  checksum,
  chmod,
  chown,
  chgrp,
  setrep,
  du,
  df,
  count,
  report,
  fsck,
  safemode,
  cluster,
  node,
  logs,
  watch,
  cd,
  pwd,
  lcd,
  lpwd,
  lls,
  history,
  help,
  usage,
  exit,
];
