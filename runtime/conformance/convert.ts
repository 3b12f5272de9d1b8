/** Headers and errors, from what Connect has to what the suite's messages say, and back. */

import { create } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { ConnectError } from '@connectrpc/connect';
import { ErrorSchema, type Header, HeaderSchema, RequestInfoSchema, type SuiteError } from './messages.ts';

const TYPE_URL_PREFIX = 'type.googleapis.com/';

/** Headers as the suite lists them. Repeated ones were joined by Headers, and the runner takes them apart. */
export function listHeaders(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}

/** Adds what the suite lists to headers. */
export function addHeaders(headers: Headers, listed: readonly Header[]): void {
  for (const { name, value } of listed) {
    for (const one of value) {
      headers.append(name, one);
    }
  }
}

/** The error that the suite tells a handler to throw. Its numbers of codes are those of gRPC, which are Connect's too. */
export function connectError(told: SuiteError): ConnectError {
  const details = told.details.map((any) => {
    const value = anyUnpack(any, RequestInfoSchema);
    if (value === undefined) {
      throw new Error(`a detail of ${any.typeUrl} is not one that the suite is known to use`);
    }
    return { desc: RequestInfoSchema, value };
  });
  return new ConnectError(told.message ?? '', told.code, undefined, details);
}

/** What a client reports of the error that its call failed with. */
export function suiteError(error: ConnectError): SuiteError {
  const details: Any[] = error.details.map((detail) =>
    'desc' in detail
      ? anyPack(detail.desc, create(detail.desc, detail.value))
      : create(AnySchema, { typeUrl: `${TYPE_URL_PREFIX}${detail.type}`, value: detail.value }),
  );
  return create(ErrorSchema, { code: Number(error.code), message: error.rawMessage, details });
}
