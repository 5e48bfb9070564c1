/** The signs that the shell draws: Unicode, or ASCII where the terminal cannot show them. State is always a glyph and a word. */
export interface Glyphs {
  readonly live: string;
  readonly stale: string;
  readonly dead: string;
  readonly warning: string;
  readonly arrow: string;
  /** Between two nodes, without blanks: dn1→dn2. */
  readonly thinArrow: string;
  readonly separator: string;
  readonly ellipsis: string;
  readonly up: string;
  readonly down: string;
  readonly enter: string;
  readonly pointer: string;
  readonly pendingBlock: string;
  readonly continuation: string;
  readonly barFull: string;
  readonly barEmpty: string;
  /** From one part to the whole less one: eighths of a cell, or nothing. */
  readonly barParts: readonly string[];
  readonly spinner: readonly string[];
  /** A line that others wrote with Unicode signs, as this terminal can show it. */
  inText(line: string): string;
}

export const unicodeGlyphs: Glyphs = {
  live: '●',
  stale: '◐',
  dead: '✗',
  warning: '▲',
  arrow: '→',
  thinArrow: '→',
  separator: '·',
  ellipsis: '…',
  up: '↑',
  down: '↓',
  enter: '⏎',
  pointer: '›',
  pendingBlock: '·',
  continuation: '┊ ',
  barFull: '█',
  barEmpty: '░',
  barParts: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
  inText: (line) => line,
};

export const asciiGlyphs: Glyphs = {
  live: '*',
  stale: '?',
  dead: 'x',
  warning: '!',
  arrow: '->',
  thinArrow: '>',
  separator: '-',
  ellipsis: '~',
  up: '^',
  down: 'v',
  enter: 'Enter',
  pointer: '>',
  pendingBlock: '.',
  continuation: '| ',
  barFull: '#',
  barEmpty: '-',
  barParts: [],
  spinner: ['|', '/', '-', '\\'],
  inText: (line) => line.replace(/[✓✗→×·]/g, (sign) => ({ '✓': '+', '✗': 'x', '→': '->', '×': 'x', '·': '-' })[sign]!),
};
