/**
 * The browser's storage, made safe: it may be switched off or full, and what lies in it may be of another version or
 * another hand. Nothing that is read from it is trusted before it is checked.
 */

/** Reads JSON; undefined when there is none, or none that `check` accepts. */
export function recall<T>(storage: Storage, key: string, check: (value: unknown) => value is T): T | undefined {
  try {
    const text = storage.getItem(key);
    const value: unknown = text === null ? undefined : JSON.parse(text);
    return check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Writes JSON, or removes the entry for `undefined`. Without storage it does nothing. */
export function remember(storage: Storage, key: string, value: unknown): void {
  try {
    if (value === undefined) {
      storage.removeItem(key);
    } else {
      storage.setItem(key, JSON.stringify(value));
    }
  } catch {
    // Storage is switched off or full: the page works on, it only forgets.
  }
}

/** Whether a value is an object with these keys holding text. */
export function isTextRecord<K extends string>(value: unknown, keys: readonly K[]): value is Record<K, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    keys.every((key) => typeof (value as Record<string, unknown>)[key] === 'string')
  );
}

/** A new request id: a random UUID, also where the page is not a secure context and `crypto.randomUUID` is missing. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toHex();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
