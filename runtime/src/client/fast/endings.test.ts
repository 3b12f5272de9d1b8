// Calls that end before they are answered: by their deadlines, by who called, or by their connection.

import { constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, test, vi } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { fail, reasonOf } from '../../errors/fail.ts';
import { type Call, runInCall } from '../../server/call.ts';
import { timers } from '../../timer-wheel.ts';
import { connect } from '../connect.ts';
import { answerGrpc, enveloped, failureOf, message, type RawCall, serveRaw, stopAtEnd } from '../testing.ts';

stopAtEnd();

const LONG_MS = 10_000;

/** A call that is being answered, and how to end it. */
function parentCall() {
  const controller = new AbortController();
  const listeners = new Set<(reason: ConnectError) => void>();
  const call: Call = {
    ...{ rpc: 'test', policy: undefined, deadlineMs: undefined, caller: undefined as never },
    ...{ traceId: undefined, traceHeaders: {}, signal: controller.signal },
    get abortReason() {
      return controller.signal.aborted ? controller.signal.reason : undefined;
    },
    onAbort(listener) {
      if (controller.signal.aborted) {
        listener(controller.signal.reason);
      } else {
        listeners.add(listener);
      }
      return () => void listeners.delete(listener);
    },
  };
  const end = () => {
    const reason = fail('CANCELLED');
    controller.abort(reason);
    for (const listener of listeners) {
      listener(reason);
    }
  };
  return { call, end, listeners };
}

describe.each([
  ['fast', true],
  ['adapter', false],
] as const)('by the %s lane', (_name, fastLane) => {
  /** A server that answers nothing, and what it was asked. */
  async function serveSilent() {
    const asked: RawCall[] = [];
    const raw = await serveRaw((call) => asked.push(call));
    return {
      raw,
      asked,
      client: connect(EchoService, { egress: raw.address, fastLane }),
      begun: (calls: number) => vi.waitFor(() => expect(asked.length).toBe(calls)),
    };
  }

  test.each([1, 30])('a deadline of %s ms ends a call that nobody answers', async (timeoutMs) => {
    const { client, asked } = await serveSilent();
    const failure = await failureOf(client.echo({}, { timeoutMs }));
    expect(failure.code).toBe(Code.DeadlineExceeded);
    for (const { stream } of asked) {
      await vi.waitFor(() => expect(stream.closed).toBe(true));
      expect([constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR]).toContain(stream.rstCode);
    }
  });

  test('a deadline of many days ends nothing', async () => {
    const raw = await serveRaw(({ stream }) => answerGrpc(stream));
    const client = connect(EchoService, { egress: raw.address, fastLane });
    const before = timers.size;
    expect((await client.echo({}, { timeoutMs: 20 * 86_400_000 })).text).toBe('hi');
    expect(timers.size).toBe(before);
  });

  test('a call that was cancelled before is not sent', async () => {
    const { client, raw } = await serveSilent();
    const failure = await failureOf(client.echo({}, { signal: AbortSignal.abort() }));
    expect([failure.code, raw.calls]).toEqual([Code.Canceled, 0]);
  });

  test('a call that is cancelled is reset with CANCEL, and fails by the reason', async () => {
    const { client, asked, begun } = await serveSilent();
    const controller = new AbortController();
    const call = failureOf(client.echo({}, { signal: controller.signal }));
    await begun(1);
    controller.abort(new ConnectError('enough', Code.Aborted));
    expect([(await call).code, (await call).rawMessage]).toEqual([Code.Aborted, 'enough']);
    await vi.waitFor(() => expect(asked[0]?.stream.closed).toBe(true));
  });

  test('a call that was answered is not cancelled any more', async () => {
    const raw = await serveRaw(({ stream }) => answerGrpc(stream));
    const client = connect(EchoService, { egress: raw.address, fastLane });
    const controller = new AbortController();
    const answer = await client.echo({}, { signal: controller.signal });
    controller.abort();
    expect(answer.text).toBe('hi');
    expect((await client.echo({})).text).toBe('hi');
    expect(raw.opened).toBe(1);
  });

  test('a call ends with the one that is being answered, interceptors or none', async () => {
    const { raw, asked, begun, client } = await serveSilent();
    const through = connect(EchoService, {
      egress: raw.address,
      fastLane,
      interceptors: [(next) => (request) => next(request)],
    });
    for (const [index, { echo }] of [client, through].entries()) {
      const { call, end, listeners } = parentCall();
      const failure = failureOf(runInCall(call, () => echo({})));
      await begun(index + 1);
      end();
      expect(reasonOf(await failure)).toBe('CANCELLED');
      await vi.waitFor(() => expect(asked[index]?.stream.closed).toBe(true));
      expect(listeners.size).toBe(0);
    }
    const late = parentCall();
    late.end();
    expect(reasonOf(await failureOf(runInCall(late.call, () => client.echo({}))))).toBe('CANCELLED');
    await failureOf(client.echo({}, { timeoutMs: 50 }));
    expect(asked).toHaveLength(3);
  });

  test('a connection that is lost in the middle of an answer is UNAVAILABLE, or told as what broke', async () => {
    const raw = await serveRaw(({ stream }) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' });
      stream.write(enveloped(message('hi')).subarray(0, 6), () => stream.session?.socket.destroy());
    });
    const client = connect(EchoService, { egress: raw.address, fastLane });
    const { code } = await failureOf(client.echo({}, { timeoutMs: LONG_MS }));
    expect(fastLane ? [Code.Unavailable] : [Code.Unavailable, Code.Internal, Code.Aborted, Code.Canceled]).toContain(
      code,
    );
    expect(raw.calls).toBe(1);
  });

  test.each([
    ['NO_ERROR', Code.Internal],
    ['PROTOCOL_ERROR', Code.Internal],
    ['INTERNAL_ERROR', Code.Internal],
    ['FLOW_CONTROL_ERROR', Code.Internal],
    ['STREAM_CLOSED', Code.Internal],
    ['CANCEL', Code.Canceled],
    ['ENHANCE_YOUR_CALM', Code.ResourceExhausted],
    ['INADEQUATE_SECURITY', Code.PermissionDenied],
  ])('a reset with %s', async (name, code) => {
    const rstCode = constants[`NGHTTP2_${name}` as 'NGHTTP2_CANCEL'];
    const raw = await serveRaw(({ stream }) => stream.close(rstCode));
    const client = connect(EchoService, { egress: raw.address, fastLane });
    expect(Code[(await failureOf(client.echo({}, { timeoutMs: LONG_MS }))).code]).toBe(Code[code]);
    expect(raw.calls).toBe(1);
  });

  test('a peer that cancels as the deadline passes has kept the deadline', async () => {
    const raw = await serveRaw(({ stream }) => {
      setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), 285);
    });
    const client = connect(EchoService, { egress: raw.address, fastLane });
    expect((await failureOf(client.echo({}, { timeoutMs: 300 }))).code).toBe(Code.DeadlineExceeded);
  });
});
