/**
 * Paths of the distributed file system: absolute, `/` between names, UTF-8, kept as given (no Unicode normalisation).
 * Limits are those of the design: a name at most 255 bytes, a path at most 8,000 bytes and 1,000 names deep.
 */
export const maxNameBytes = 255;
export const maxPathBytes = 8000;
export const maxPathDepth = 1000;
const reservedNames = new Set(['.snapshot', '.reserved']);

/** Makes `path` absolute against `workingDirectory`, and drops `//`, `.`, `..` (never above the root) and a last slash. */
export function resolvePath(path: string, workingDirectory = '/'): string {
  const names: string[] = [];
  const absolute = path.startsWith('/') ? path : `${workingDirectory}/${path}`;
  for (const name of absolute.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return `/${names.join('/')}`;
}

/** The names of an absolute, clean path: [] for the root. */
export function pathNames(path: string): string[] {
  return path === '/' ? [] : path.slice(1).split('/');
}

/** The directory that holds `path`; the root's is the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** The last name of `path`; '' for the root. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function joinPath(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`;
}

/** True if `path` is `ancestor` or lies below it. Both absolute and clean. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === '/' || path.startsWith(`${ancestor}/`);
}

/**
 * Why an absolute path is not allowed to exist, in a few words; undefined if it is fine.
 * The name node refuses with this; a client may ask earlier.
 */
export function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'a path must be absolute';
  if (!path.isWellFormed()) return 'a path must be well-formed Unicode (it has a lone surrogate)';
  if (path.includes('\0')) return 'a path must not contain NUL';
  if (Buffer.byteLength(path) > maxPathBytes) return `a path is at most ${maxPathBytes} bytes long`;
  const names = pathNames(path);
  if (names.length > maxPathDepth) return `a path is at most ${maxPathDepth} names deep`;
  for (const name of names) {
    if (name === '' || name === '.' || name === '..') return `"${name}" is not a name (paths must be clean: no //, ., .. or last slash)`;
    if (Buffer.byteLength(name) > maxNameBytes) return `a name is at most ${maxNameBytes} bytes long`;
    if (reservedNames.has(name)) return `"${name}" is a reserved name.`;
  }
  return undefined;
}
