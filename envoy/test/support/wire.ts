/** gRPC's framing, and messages whose only field is a text with number 1: enough for the example contracts. */

/** A message with its five bytes of prefix, whose first are the flags. */
export function frame(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5, flags);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The messages of a whole gRPC body. */
export function messagesOf(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const length = body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return messages;
}

/** A message whose field 1 is `text`, and whose field 2 is `padding` zero bytes. */
export function textMessage(text: string, padding = 0): Buffer {
  const parts = text === '' ? [] : [tagged(0x0a, Buffer.from(text))];
  if (padding > 0) parts.push(tagged(0x12, Buffer.alloc(padding)));
  return Buffer.concat(parts);
}

/** The text in field 1; empty when it is not there. */
export function readText(message: Buffer | undefined): string {
  if (message?.[0] !== 0x0a) return '';
  let length = 0;
  let at = 1;
  for (let shift = 0; at < message.length; shift += 7) {
    const byte = message[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return message.subarray(at, at + length).toString();
}

function tagged(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([tag, ...length, rest]), content]);
}
