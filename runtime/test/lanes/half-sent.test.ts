// A caller that leaves before it has said all is not answered with half of what it meant: its handler is never asked. Frame by frame,
// since Node's own client ends its side before it resets.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FLAG, FRAME, FrameCaller, frame, type Header, headerBlock, uint32 } from '../fuzz/frames.ts';
import { ASK, DIALECTS, wireRequest } from './dialect.ts';
import { current, echo, type Subject, serveLanes, WITH_POLICY } from './subject.ts';

const NO_ERROR = 0;
const CANCEL = 8;
const servers = new Map<string, Subject>();
/** What handlers were asked, by all callers since the beginning. */
const asked: string[] = [];
let callers = 0;

beforeAll(async () => {
  servers.set('fast', await serveLanes(WITH_POLICY, true));
  servers.set('adapter', await serveLanes(WITH_POLICY, false));
  current.handler = (question, context) => {
    asked.push(question.text);
    return echo(question, context);
  };
});
afterAll(() => Promise.all([...servers.values()].map((server) => server.close())));

function headersOf(contentType: string): readonly Header[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'localhost'],
    [':path', ASK],
    ['content-type', contentType],
  ];
}

/** Leaves after having sent these bytes. */
const LEAVING: readonly (readonly [string, (caller: FrameCaller, id: number) => unknown])[] = [
  ['by a reset', (caller, id) => caller.write(frame(FRAME.reset, 0, id, uint32(CANCEL)))],
  ['by a reset that says no error', (caller, id) => caller.write(frame(FRAME.reset, 0, id, uint32(NO_ERROR)))],
  ['with its connection', (caller) => caller.hangUp()],
  [
    'in the middle of its trailers',
    (caller, id) => {
      caller.write(frame(FRAME.headers, FLAG.endStream, id, Uint8Array.of(0)));
      return caller.hangUp();
    },
  ],
];

describe.each(['fast', 'adapter'])('on the lane %s a caller', (lane) => {
  describe.each(DIALECTS.filter(({ isGet }) => !isGet))('of $name leaves', (dialect) => {
    const headers = headersOf(dialect.contentType);
    const bodyOf = (text: string, data: Uint8Array = new Uint8Array()) =>
      Buffer.concat(wireRequest(dialect, { text, data }).body);

    describe.each(LEAVING)('%s', (_how, leave) => {
      test.each([
        ['with its headers sent', () => Buffer.alloc(0)],
        ['with a part of its question sent', (text: string) => bodyOf(text).subarray(0, 3)],
        // As protobuf a message without its last field is one.
        ['with what is a question by itself sent', (text: string) => bodyOf(text)],
        ['with all sent but the end', (text: string) => bodyOf(text, Uint8Array.of(1, 2, 3))],
      ])('%s', async (_when, body) => {
        callers += 1;
        const address = servers.get(lane)?.address ?? '';
        const caller = await FrameCaller.open(address);
        const before = asked.length;
        const left = caller.stream();
        caller.write(frame(FRAME.headers, FLAG.endHeaders, left.id, headerBlock(headers)));
        const sent = body(`left ${callers}`);
        if (sent.length > 0) {
          caller.write(frame(FRAME.data, 0, left.id, sent));
        }
        await caller.flushed();
        await leave(caller, left.id);
        // What another asks after it is answered after it.
        const next = await FrameCaller.open(address);
        await next.call(headers, [bodyOf(`next ${callers}`)]);
        await next.call(headers, [bodyOf(`last ${callers}`)]);
        expect(asked.slice(before)).toEqual([`next ${callers}`, `last ${callers}`]);
        next.close();
        caller.close();
      });
    });
  });
});
