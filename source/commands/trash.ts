import { baseName, isWithin, joinPath, parentPath, resolvePath } from '../base/path.js';
import { FileAlreadyExistsError, FileNotFoundError, InvalidArgumentError, NotADirectoryError } from '../protocol/errors.js';
import type { CommandContext } from './command.js';
import { describeError } from './command-errors.js';
import { addressOf, type ExistingItem } from './path-item.js';

const trashPermission = 0o700;

/**
 * Moves a path into the user's trash, where it keeps its path below /user/NAME/.Trash/Current; a name that is taken there gets the time
 * in ms behind it (TrashPolicyDefault.moveToTrash). Resolves to the new path; null if the trash is off, or the path is in it
 * already: then it is to be deleted. A failure says that -skipTrash would not need the trash.
 */
export async function moveToTrash(item: ExistingItem, context: CommandContext): Promise<string | null> {
  const { fileSystem, path } = item;
  if (!fileSystem.capabilities.hasReplication) return null;
  const { trashIntervalMinutes } = await (await context.client()).getServerDefaults();
  if (trashIntervalMinutes === 0) return null;
  const home = `/user/${context.session.user}`;
  const trash = `${home}/.Trash`;
  if (isWithin(path, trash)) return null;
  if (isWithin(trash, path)) throw withAdvice(`Cannot move "${addressOf(item)}" to the trash, as it contains the trash`, item);
  try {
    // Only the trash is private: the way to it may lead to others' homes, too.
    if ((await fileSystem.find(trash)) === null) await fileSystem.mkdirs(home, { createParents: true });
    return await move(item, joinPath(trash, 'Current'), context);
  } catch (error) {
    // Gone meanwhile: said as of any other path.
    if (error instanceof FileNotFoundError && error.path === path) throw error;
    throw withAdvice(describeError(error), item, error);
  }
}

async function move({ fileSystem, path }: ExistingItem, current: string, context: CommandContext): Promise<string> {
  let directory = resolvePath(current + parentPath(path));
  // Each turn gets past one obstacle that somebody put there: a file where a directory is needed, or a name that is taken.
  for (let turn = 0; ; turn++) {
    try {
      await fileSystem.mkdirs(directory, { createParents: true, permission: trashPermission });
    } catch (error) {
      if (turn >= 10 || !(error instanceof FileAlreadyExistsError || error instanceof NotADirectoryError)) throw error;
      directory = await aroundFile(fileSystem, directory, context.clock.nowMs());
      continue;
    }
    const wanted = joinPath(directory, baseName(path));
    let target = wanted;
    for (let tries = 0; (await fileSystem.find(target)) !== null; tries++) target = `${wanted}${context.clock.nowMs() + tries}`;
    try {
      await fileSystem.rename(path, target);
      return target;
    } catch (error) {
      if (turn >= 10 || !(error instanceof FileAlreadyExistsError)) throw error;
    }
  }
}

/** The same directory, with the time behind the first name of it that is a file. */
async function aroundFile(fileSystem: ExistingItem['fileSystem'], directory: string, nowMs: number): Promise<string> {
  let existing = directory;
  while ((await fileSystem.find(existing).catch(() => null)) === null) existing = parentPath(existing);
  return `${existing}${nowMs}${directory.slice(existing.length)}`;
}

function withAdvice(text: string, item: ExistingItem, cause?: unknown): InstanceType<typeof InvalidArgumentError> {
  return new InvalidArgumentError(`${text}. Consider using -skipTrash option`, { path: item.path, cause });
}
