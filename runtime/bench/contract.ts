/**
 * The contract that is measured, described in code: orders of a few lines, placed one by one or watched as a stream, and
 * blobs of any size. It exists twice, without rules and with protovalidate's, so that what validation costs can be told.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, createFileRegistry, type DescFile, type Message, setExtension } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { FieldOptionsSchema } from '@bufbuild/protobuf/wkt';
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  file_buf_validate_validate,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import type { PolicyTable } from '../src/policy.ts';
import { describeFile } from '../src/wire/describe.ts';

export type Address = Message & {
  name: string;
  street: string;
  city: string;
  postalCode: string;
  countryCode: string;
};
export type OrderLine = Message & {
  sku: string;
  title: string;
  quantity: number;
  unitPriceMinorUnits: bigint;
};
export type Order = Message & {
  orderId: string;
  customerId: string;
  shipTo?: Address;
  lines: OrderLine[];
  currencyCode: string;
  totalMinorUnits: bigint;
  placedAtMs: bigint;
  giftWrap: boolean;
};
export type PlaceOrderRequest = Message & {
  requestId: string;
  order?: Order;
  /** How many messages WatchOrder answers with. */
  updates: number;
};
export type PlaceOrderResponse = Message & {
  requestId: string;
  order?: Order;
  state: string;
  /** The position of the message in its stream. */
  sequence: bigint;
};
export type Blob = Message & { data: Uint8Array };

/** The package of the contract without rules, and of that with. */
export type BenchPackage = 'weft.bench.v1' | 'weft.bench.checked.v1';

function describe(name: BenchPackage): DescFile {
  const unary = { request: `.${name}.PlaceOrderRequest`, response: `.${name}.PlaceOrderResponse` };
  return describeFile({
    name: `${name.replaceAll('.', '/')}/order_service.proto`,
    package: name,
    imports: [file_buf_validate_validate],
    messages: {
      Address: {
        fields: {
          name: '1 string',
          street: '2 string',
          city: '3 string',
          postal_code: '4 string',
          country_code: '5 string',
        },
      },
      OrderLine: {
        fields: { sku: '1 string', title: '2 string', quantity: '3 int32', unit_price_minor_units: '4 int64' },
      },
      Order: {
        fields: {
          order_id: '1 string',
          customer_id: '2 string',
          ship_to: `3 .${name}.Address`,
          lines: `4 repeated .${name}.OrderLine`,
          currency_code: '5 string',
          total_minor_units: '6 int64',
          placed_at_ms: '7 int64',
          gift_wrap: '8 bool',
        },
      },
      PlaceOrderRequest: { fields: { request_id: '1 string', order: `2 .${name}.Order`, updates: '3 int32' } },
      PlaceOrderResponse: {
        fields: { request_id: '1 string', order: `2 .${name}.Order`, state: '3 string', sequence: '4 int64' },
      },
      Blob: { fields: { data: '1 bytes' } },
    },
    services: {
      OrderService: {
        PlaceOrder: unary,
        RefuseOrder: unary,
        HoldOrder: unary,
        WatchOrder: { ...unary, response: `stream ${unary.response}` },
        EchoBlob: { request: `.${name}.Blob`, response: `.${name}.Blob` },
      },
    },
  });
}

/** The rules of an ordinary contract: each field that a caller fills is bounded, none needs CEL. */
const RULES: Readonly<Record<string, Readonly<Record<string, MessageInitShape<typeof FieldRulesSchema>>>>> = {
  PlaceOrderRequest: { request_id: text(1, 64), order: { required: true } },
  Order: {
    customer_id: text(1, 64),
    ship_to: { required: true },
    lines: { type: { case: 'repeated', value: { minItems: 1n, maxItems: 100n } } },
    currency_code: text(3, 3),
  },
  OrderLine: {
    sku: text(1, 64),
    quantity: {
      type: {
        case: 'int32',
        value: { greaterThan: { case: 'gte', value: 1 }, lessThan: { case: 'lte', value: 1_000 } },
      },
    },
  },
  Address: { postal_code: text(1, 16), country_code: text(2, 2) },
};

function text(minLen: number, maxLen: number): MessageInitShape<typeof FieldRulesSchema> {
  return { type: { case: 'string', value: { minLen: BigInt(minLen), maxLen: BigInt(maxLen) } } };
}

function withRules(file: DescFile): DescFile {
  const { proto } = file;
  for (const message of proto.messageType) {
    for (const field of message.field) {
      const rules = RULES[message.name]?.[field.name];
      if (rules !== undefined) {
        field.options = create(FieldOptionsSchema);
        setExtension(field.options, fieldRules, create(FieldRulesSchema, rules) satisfies FieldRules);
      }
    }
  }
  const registry = createFileRegistry(proto, (name) => file.dependencies.find((needed) => needed.proto.name === name));
  const ruled = registry.getFile(proto.name);
  if (ruled === undefined) {
    throw new Error(`${proto.name} is not in the registry that was made from it`);
  }
  return ruled;
}

function contractOf(file: DescFile) {
  const PlaceOrderRequestSchema: GenMessage<PlaceOrderRequest> = messageDesc(file, 3);
  const PlaceOrderResponseSchema: GenMessage<PlaceOrderResponse> = messageDesc(file, 4);
  const BlobSchema: GenMessage<Blob> = messageDesc(file, 5);
  const OrderService: GenService<{
    placeOrder: { methodKind: 'unary'; input: GenMessage<PlaceOrderRequest>; output: GenMessage<PlaceOrderResponse> };
    refuseOrder: { methodKind: 'unary'; input: GenMessage<PlaceOrderRequest>; output: GenMessage<PlaceOrderResponse> };
    holdOrder: { methodKind: 'unary'; input: GenMessage<PlaceOrderRequest>; output: GenMessage<PlaceOrderResponse> };
    watchOrder: {
      methodKind: 'server_streaming';
      input: GenMessage<PlaceOrderRequest>;
      output: GenMessage<PlaceOrderResponse>;
    };
    echoBlob: { methodKind: 'unary'; input: GenMessage<Blob>; output: GenMessage<Blob> };
  }> = serviceDesc(file, 0);
  return { PlaceOrderRequestSchema, PlaceOrderResponseSchema, BlobSchema, OrderService };
}

/** The contract without rules: what all comparators serve and call. */
export const { PlaceOrderRequestSchema, PlaceOrderResponseSchema, BlobSchema, OrderService } = contractOf(
  describe('weft.bench.v1'),
);

/** The same with rules, which only ours holds. */
export const CheckedOrderService = contractOf(withRules(describe('weft.bench.checked.v1'))).OrderService;

export const WORKLOAD = 'orders';
/** The deadline that callers send with each call, in milliseconds. */
export const DEADLINE_MS = 5_000;

const common = {
  workload: WORKLOAD,
  exposure: 'AUTHENTICATED',
  scopes: ['orders:write'],
  calls: [],
  idempotent: false,
  retry: { maxAttempts: 3, codes: ['UNAVAILABLE'] },
} as const;
const stream = { idleTimeoutMs: 60_000, maxDurationMs: 3_600_000 } as const;

/** Policy as the compiler would write it for a service of a mesh. */
export const policy: PolicyTable = Object.fromEntries(
  [OrderService, CheckedOrderService].flatMap((service) =>
    service.methods.map((method) => [
      `${service.typeName}/${method.name}`,
      method.methodKind === 'unary' ? { ...common, deadlineMs: 10_000 } : { ...common, stream },
    ]),
  ),
);
