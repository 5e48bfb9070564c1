import { Chalk, type ChalkInstance } from 'chalk';
import type { StyleName, StyledLine } from './styled-line.js';

/** How styles look. chalk 5.6 ignores NO_COLOR, so the level is decided here. */
export type Paint = (line: StyledLine) => string;

/**
 * The colours that may be used: none with NO_COLOR (no-color.org: present and not empty) or TERM=dumb; else FORCE_COLOR's level
 * if that is set; else what the terminal says of itself. The basic sixteen are enough, and follow the user's theme.
 */
export function colourLevel(environment: NodeJS.ProcessEnv): 0 | 1 {
  if ((environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb') return 0;
  return environment['FORCE_COLOR'] === '0' ? 0 : 1;
}

export function createPaint(level: 0 | 1): Paint {
  const styles = createStyles(new Chalk({ level }));
  return (line) => line.map(({ text, style }) => styles[style](text)).join('');
}

function createStyles(chalk: ChalkInstance): Record<StyleName, (text: string) => string> {
  return {
    plain: (text) => text,
    dim: chalk.dim,
    bold: chalk.bold,
    good: chalk.green,
    warning: chalk.yellow,
    bad: chalk.red,
    accent: chalk.cyan,
    match: chalk.bold.magenta,
    selected: chalk.inverse,
    suggestion: chalk.blackBright,
    unknown: chalk.red,
    quoted: chalk.green,
  };
}
