import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './protocol/errors.js';

/** What a user chose for the interactive shell; kept by conf in settings.json below the home directory (config.ts, homeDirectory). */
export interface Settings {
  /** The live panel under the prompt. */
  panel: boolean;
  /** Lines of history that are kept. */
  historySize: number;
  /** Draw with ASCII even where the terminal could do more. */
  ascii: boolean;
}

const defaults: Settings = { panel: true, historySize: 10_000, ascii: false };

/**
 * The settings, with the defaults where nothing was chosen. Only the interactive shell pays for conf (and its ajv).
 * A file that is no JSON, or holds a wrong value, is left as it is: ConfigError says which file and why.
 */
export async function loadSettings(home: string): Promise<Settings> {
  const file = join(home, 'settings.json');
  // Nothing was ever chosen: conf and ajv, which compiles the schemas' schema, would be a third of the time to the first prompt.
  if (!existsSync(file)) return { ...defaults };
  const { default: Conf } = await import('conf');
  try {
    const settings = new Conf<Settings>({
      cwd: home,
      configName: 'settings',
      projectName: 'dfsh',
      defaults,
      configFileMode: 0o600,
      clearInvalidConfig: false,
      rootSchema: { additionalProperties: false },
      schema: { panel: { type: 'boolean' }, historySize: { type: 'integer', minimum: 0, maximum: 1_000_000 }, ascii: { type: 'boolean' } },
    });
    return { ...settings.store };
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as Error).message.replaceAll('\n', ' ')}; mend or delete the file`);
  }
}
