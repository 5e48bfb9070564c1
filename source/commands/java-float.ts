/** A single-precision number as Java prints it, `3.0`, `53.846153`: HDFS's reports show averages and percents so (Float.toString). */
export function javaFloat(value: number): string {
  const single = Math.fround(value);
  if (Number.isInteger(single) && Math.abs(single) < 1e7) return `${single}.0`;
  for (let digits = 1; digits <= 9; digits++) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) return plain(Number(text));
  }
  return plain(single);
}

function plain(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}
