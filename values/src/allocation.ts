/**
 * Splits an integer amount by weights so that the parts add up to it exactly: the method of the largest remainder
 * (Hamilton), ties to the earlier part.
 */

/**
 * The parts of `amount`, in the order of the weights. A negative amount is split as its magnitude is.
 *
 * @param weights at least one, none negative, not all zero.
 * @throws RangeError for other weights.
 */
export function allocate(amount: bigint, weights: readonly bigint[]): bigint[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total <= 0n || weights.some((weight) => weight < 0n)) {
    throw new RangeError('weights must not be negative, and their sum must be positive');
  }
  const negative = amount < 0n;
  const magnitude = negative ? -amount : amount;
  const parts = weights.map((weight) => (magnitude * weight) / total);
  let rest = magnitude - parts.reduce((sum, part) => sum + part, 0n);
  const byRemainder = weights
    .map((weight, index) => ({ index, remainder: (magnitude * weight) % total }))
    .sort((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  for (const { index } of byRemainder) {
    if (rest === 0n) {
      break;
    }
    parts[index] = (parts[index] ?? 0n) + 1n;
    rest -= 1n;
  }
  return negative ? parts.map((part) => -part) : parts;
}
