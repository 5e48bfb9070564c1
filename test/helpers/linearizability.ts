/** One call of a concurrent history. Times are positions in the order of events, not clock times. */
export interface HistoryCall<Step> {
  readonly client: number;
  readonly step: Step;
  readonly invokedAt: number;
  /** Infinity: nobody heard its outcome. It may have happened at any time after its begin, or never. */
  returnedAt: number;
  answer: unknown;
}

/** What the calls should do, one after the other. */
export interface SequentialModel<State, Step> {
  readonly initial: State;
  /** Does not change `state`. */
  apply(state: State, step: Step): { state: State; answer: unknown };
  /** Equal for equal states. */
  digest(state: State): string;
}

/**
 * An order of the calls in which each happens between its begin and its end, and the model answers each as it was answered; undefined if
 * there is none: the history is not linearizable (Wing and Gong's search, with Lowe's memory of the configurations seen). At most some thirty
 * calls of which few overlap, or the search takes too long.
 */
export function findLinearization<State, Step>(history: readonly HistoryCall<Step>[], model: SequentialModel<State, Step>): HistoryCall<Step>[] | undefined {
  const calls = [...history].sort((a, b) => a.invokedAt - b.invokedAt);
  const isDone = new Array<boolean>(calls.length).fill(false);
  const seen = new Set<string>();
  const order: HistoryCall<Step>[] = [];

  const search = (state: State): boolean => {
    const open = calls.filter((_, index) => !isDone[index]);
    if (open.every((call) => call.returnedAt === Infinity)) return true;
    const key = `${isDone.map(Number).join('')} ${model.digest(state)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    // Whoever began after another one's end comes after it.
    const firstEnd = Math.min(...open.map((call) => call.returnedAt));
    for (const [index, call] of calls.entries()) {
      if (isDone[index] || call.invokedAt > firstEnd) continue;
      const next = model.apply(state, call.step);
      if (call.returnedAt !== Infinity && next.answer !== call.answer) continue;
      isDone[index] = true;
      order.push(call);
      if (search(next.state)) return true;
      isDone[index] = false;
      order.pop();
    }
    return false;
  };
  return search(model.initial) ? order : undefined;
}

/** A history as lines to read, for a failed test. */
export function formatHistory<Step>(history: readonly HistoryCall<Step>[]): string {
  const line = ({ client, step, invokedAt, returnedAt, answer }: HistoryCall<Step>) =>
    `client ${client}  [${invokedAt}, ${returnedAt === Infinity ? 'never heard of' : returnedAt}]  ${JSON.stringify(step)} -> ${returnedAt === Infinity ? '?' : JSON.stringify(answer)}`;
  return [...history].sort((a, b) => a.invokedAt - b.invokedAt).map(line).join('\n');
}
