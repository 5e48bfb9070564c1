/**
 * The results of `work` on each item, in the order of the items, with up to `width` of them under way: for a call to the name node
 * for each of many paths. After a failure, or when nobody takes more, what is under way is left to end by itself.
 */
export async function* inOrder<T, R>(items: AsyncIterable<T>, width: number, work: (item: T) => Promise<R>): AsyncIterable<R> {
  const pending: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Awaited in its turn: until then a rejection is no unhandled one.
    result.catch(() => {});
    pending.push(result);
    if (pending.length >= width) yield await pending.shift()!;
  }
  while (pending.length > 0) yield await pending.shift()!;
}
