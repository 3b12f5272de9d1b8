/** How the suite's runner talks with the programs under test: messages, each after its size in four bytes, big endian. */

const SIZE_BYTES = 4;

/** Reads messages until the stream ends. @throws Error when it ends within one. */
export async function* readFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  for await (const chunk of stream) {
    held = Buffer.concat([held, chunk]);
    while (held.length >= SIZE_BYTES) {
      const end = SIZE_BYTES + held.readUInt32BE(0);
      if (held.length < end) break;
      yield held.subarray(SIZE_BYTES, end);
      held = held.subarray(end);
    }
  }
  if (held.length > 0) {
    throw new Error(`the input ended within a message, after ${held.length} bytes of it`);
  }
}

/** Writes one message to standard output; resolves when it has left. */
export function writeFrame(message: Uint8Array): Promise<void> {
  const size = Buffer.alloc(SIZE_BYTES);
  size.writeUInt32BE(message.length);
  return new Promise((resolve, reject) => {
    process.stdout.write(Buffer.concat([size, message]), (error) => (error ? reject(error) : resolve()));
  });
}
