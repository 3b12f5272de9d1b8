/**
 * gRPC's interoperability cases (grpc/grpc, doc/interop-test-descriptions.md), those that need no cloud, for any client. They are
 * what grpc-go's interop client does.
 */

import assert from 'node:assert/strict';
import { type Caller, type OutputRequest, StatusError } from './caller.ts';
import { ECHO_INITIAL, ECHO_TRAILING } from './test-service.ts';

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const LARGE_REQUEST_BYTES = 271_828;
const LARGE_RESPONSE_BYTES = 314_159;

const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const UNIMPLEMENTED = 12;

const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

/** A client to one server; `fresh` makes one over a connection of its own. */
export type CaseInput = { readonly caller: Caller; readonly fresh: () => Caller; readonly soakIterations: number };

/** The cases by their names in gRPC. Each throws when it fails. */
export const CASES: Readonly<Record<string, (input: CaseInput) => Promise<void>>> = {
  empty_unary: ({ caller }) => caller.emptyCall(),
  large_unary: ({ caller }) => largeUnary(caller),
  async client_streaming({ caller }) {
    const call = caller.streamingInputCall();
    for (const size of REQUEST_SIZES) {
      call.send({ payload: { body: new Uint8Array(size) } });
    }
    call.closeSend();
    const total = REQUEST_SIZES.reduce((sum, size) => sum + size);
    assert.equal(await call.receive(), total);
  },
  async server_streaming({ caller }) {
    const answers = caller.streamingOutputCall({ responseParameters: RESPONSE_SIZES.map((size) => ({ size })) });
    const sizes = await Array.fromAsync(answers, ({ payload }) => payload?.body.length);
    assert.deepEqual(sizes, RESPONSE_SIZES);
  },
  async ping_pong({ caller }) {
    const call = caller.fullDuplexCall();
    for (const [index, size] of RESPONSE_SIZES.entries()) {
      call.send(outputRequest(size, REQUEST_SIZES[index] ?? 0));
      assert.equal((await call.receive())?.payload?.body.length, size);
    }
    call.closeSend();
    assert.equal(await call.receive(), undefined);
  },
  async empty_stream({ caller }) {
    const call = caller.fullDuplexCall();
    call.closeSend();
    assert.equal(await call.receive(), undefined);
  },
  async timeout_on_sleeping_server({ caller }) {
    const call = caller.fullDuplexCall({ timeoutMs: 1 });
    call.send({ payload: { body: new Uint8Array(27_182) } });
    await fails(DEADLINE_EXCEEDED, () => call.receive());
  },
  async cancel_after_begin({ caller }) {
    const call = caller.streamingInputCall({ headers: { key1: 'value1', key2: 'value2' } });
    call.cancel();
    await fails(CANCELLED, () => call.receive());
  },
  async cancel_after_first_response({ caller }) {
    const call = caller.fullDuplexCall();
    call.send(outputRequest(31_415, 27_182));
    assert.equal((await call.receive())?.payload?.body.length, 31_415);
    call.cancel();
    await fails(CANCELLED, () => call.receive());
  },
  async status_code_and_message({ caller }) {
    const responseStatus = { code: UNKNOWN, message: 'test status message' };
    await fails(UNKNOWN, () => caller.unaryCall({ responseStatus }), responseStatus.message);
    const call = caller.fullDuplexCall();
    call.send({ responseStatus });
    call.closeSend();
    await fails(UNKNOWN, () => call.receive(), responseStatus.message);
  },
  special_status_message: ({ caller }) =>
    fails(
      UNKNOWN,
      () => caller.unaryCall({ responseStatus: { code: UNKNOWN, message: SPECIAL_MESSAGE } }),
      SPECIAL_MESSAGE,
    ),
  async custom_metadata({ caller }) {
    const trailing = Buffer.from([0xab, 0xab, 0xab]).toString('base64');
    const headers = { [ECHO_INITIAL]: 'test_initial_metadata_value', [ECHO_TRAILING]: trailing };
    const { response, ...received } = await caller.unaryCall({ responseSize: 1 }, { headers });
    assert.equal(response.payload?.body.length, 1);
    assert.equal(received.headers[ECHO_INITIAL], headers[ECHO_INITIAL]);
    assert.equal(padded(received.trailers[ECHO_TRAILING]), trailing);

    const call = caller.fullDuplexCall({ headers });
    call.send(outputRequest(1, 1));
    assert.equal((await call.receive())?.payload?.body.length, 1);
    call.closeSend();
    assert.equal(await call.receive(), undefined);
    assert.equal(call.headers()[ECHO_INITIAL], headers[ECHO_INITIAL]);
    assert.equal(padded(call.trailers()[ECHO_TRAILING]), trailing);
  },
  unimplemented_method: ({ caller }) => fails(UNIMPLEMENTED, () => caller.unimplementedMethod()),
  unimplemented_service: ({ caller }) => fails(UNIMPLEMENTED, () => caller.unimplementedService()),
  async rpc_soak({ caller, soakIterations }) {
    for (let iteration = 0; iteration < soakIterations; iteration++) {
      await largeUnary(caller);
    }
  },
  async channel_soak({ fresh, soakIterations }) {
    for (let iteration = 0; iteration < soakIterations; iteration++) {
      const caller = fresh();
      await largeUnary(caller);
      caller.close();
    }
  },
};

async function largeUnary(caller: Caller): Promise<void> {
  const { response } = await caller.unaryCall({
    responseSize: LARGE_RESPONSE_BYTES,
    payload: { body: new Uint8Array(LARGE_REQUEST_BYTES) },
  });
  assert.equal(response.payload?.type, 0);
  assert.equal(response.payload?.body.length, LARGE_RESPONSE_BYTES);
}

function outputRequest(responseBytes: number, requestBytes: number): OutputRequest {
  return { responseParameters: [{ size: responseBytes }], payload: { body: new Uint8Array(requestBytes) } };
}

/** Base64 may go without its padding on the way. */
function padded(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('base64');
}

async function fails(code: number, call: () => Promise<unknown>, details?: string): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof StatusError, `it should fail with status ${code}, and came to ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (details !== undefined) {
    assert.equal(error.details, details);
  }
}
