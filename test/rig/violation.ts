/** A promise was broken, or the run proved nothing. The message is the evidence. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
