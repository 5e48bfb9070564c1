/**
 * Rows in columns, two blanks between them, each as wide as its widest cell; the last one is not filled up unless it is aligned right
 * (Hadoop: TableListing and FsUsage.TableBuilder).
 */
export function formatTable(rows: readonly (readonly string[])[], options: { rightAligned?: readonly number[] } = {}): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  const isRight = (column: number) => options.rightAligned?.includes(column) ?? false;
  return rows.map((row) =>
    row
      .map((cell, column) => (isRight(column) ? cell.padStart(widths[column]!) : column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  '),
  );
}
