/** The code of a new service with a database of its own: schema, first migration, and its RPCs on them. */
import { importLines, messagesModule, policyModule, sortedModules } from './imports.ts';
import type { Names } from './names.ts';
import type { Repository } from './repository.ts';

/** `src/main.ts` */
export function databaseMainText(names: Names, repository: Repository): string {
  const { workload } = names;
  const folder = `services/${workload}/src`;
  return `/**
 * The workload ${workload}: a process with one database, behind its sidecar.
 */

${importLines([
  ...sortedModules(
    [policyModule(repository, folder), 'policies'],
    ['@weft/runtime/environment', 'required'],
    ['@weft/runtime/server/run-service', 'runService'],
  ),
  ['./workload.ts', 'openWorkload'],
])}

await runService({
  policy: policies,
  open: ({ databaseUrl }) => openWorkload({ databaseUrl: required(databaseUrl, 'DATABASE_URL') }),
});
`;
}

/** `src/workload.ts`: the services of the workload on its database. */
export function openText(names: Names, repository: Repository): string {
  const { workload, camel, kebab, service } = names;
  const folder = `services/${workload}/src`;
  return `/**
 * The workload ${workload} as a whole: its services on one database, and what runs beside them.
 */

${importLines([
  ...sortedModules(
    [messagesModule(names, repository, folder), service],
    ['@weft/runtime/data/jobs', 'purging'],
    ['@weft/runtime/data/pool', 'openPool'],
    ['@weft/runtime/server/implement', 'type Implementation', 'implement'],
  ),
  ['./database.ts', 'openDatabase'],
  [`./${kebab}-service.ts`, `${camel}Service`],
])}

/** The services, ready to be served. */
export type Workload = {
  readonly services: readonly Implementation[];
  /** Ends what runs beside the services, then the connections. */
  close(): Promise<void>;
};

/** Puts the services on a database. */
export function openWorkload({ databaseUrl }: { readonly databaseUrl: string }): Workload {
  const pool = openPool({ databaseUrl, workload: '${workload}' });
  const database = openDatabase(pool);
  const background = purging(pool);
  return {
    services: [implement(${service}, ${camel}Service(database))],
    async close() {
      await background.stop();
      await database.prisma.$disconnect();
      await pool.end();
    },
  };
}
`;
}

/** `src/database.ts` */
export function databaseText({ workload }: Names): string {
  return `/**
 * The database of the workload ${workload}: one pool, on which Prisma does the ordinary reading and writing.
 */

${importLines([
  ['@prisma/adapter-pg', 'PrismaPg'],
  ['@weft/runtime/data/prisma', 'joinedDatabase'],
  ['pg', 'type Pool'],
  ['../prisma/client/client.ts', 'PrismaClient'],
])}

/** What the services share. */
export type Database = ReturnType<typeof openDatabase>;

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool) {
  return joinedDatabase(pool, (joining) =>
    new PrismaClient({ adapter: new PrismaPg(joining.pool) }).$extends(joining.extension),
  );
}
`;
}

/** `src/<name>-service.ts` */
export function databaseServiceText(names: Names, repository: Repository): string {
  const { workload, resource, camel, snake, service, words } = names;
  return `/**
 * ${service}: what its RPCs are made of.
 */

${importLines([
  ['@bufbuild/protobuf', 'create'],
  ['@bufbuild/protobuf/wkt', 'timestampFromDate'],
  ['@connectrpc/connect', 'type ServiceImpl'],
  ...sortedModules(
    [
      messagesModule(names, repository, `services/${workload}/src`),
      `Create${resource}ResponseSchema`,
      `type ${resource}`,
      `${resource}Schema`,
      service,
    ],
    ['@weft/runtime/data/mutation', 'mutate'],
    ['@weft/runtime/errors/fail', 'fail'],
  ),
  ['../prisma/client/client.ts', `type ${resource} as ${resource}Row`],
  ['./database.ts', 'type Database'],
])}

/** Makes the service on a database. */
export function ${camel}Service({ pool, prisma, within }: Database): ServiceImpl<typeof ${service}> {
  return {
    async get${resource}({ ${camel}Id }) {
      const row = await prisma.${camel}.findFirst({ where: { ${camel}Id } });
      if (row === null) {
        const text = \`no ${words} has the id \${${camel}Id}\`;
        throw fail('RESOURCE_NOT_FOUND', text, { ${snake}_id: ${camel}Id });
      }
      return { ${camel}: ${camel}Message(row) };
    },

    create${resource}: (request) =>
      mutate(pool, ${service}.method.create${resource}, request, async (tx) => {
        const row = await within(tx, () => prisma.${camel}.create({ data: { text: request.text } }));
        return create(Create${resource}ResponseSchema, { ${camel}: ${camel}Message(row) });
      }),
  };
}

/** The ${words} as clients see it. */
function ${camel}Message(row: ${resource}Row): ${resource} {
  return create(${resource}Schema, {
    ${camel}Id: row.${camel}Id,
    text: row.text,
    createTime: timestampFromDate(row.createTime),
  });
}
`;
}

/** `prisma/schema.prisma` */
export function schemaText({ workload, resource, camel, snake, aResource }: Names): string {
  const column = (name: string): string => name.padEnd(Math.max(`${camel}Id`.length, 'createTime'.length));
  return `// The tables of the workload ${workload}. Prisma owns them: this file is the model, prisma/migrations how a database gets there.

generator client {
  provider               = "prisma-client"
  output                 = "./client"
  runtime                = "nodejs"
  engineType             = "client"
  moduleFormat           = "esm"
  generatedFileExtension = "ts"
  importFileExtension    = "ts"
}

datasource db {
  provider = "postgresql"
}

/// ${aResource.charAt(0).toUpperCase()}${aResource.slice(1)}.
model ${resource} {
  ${column(`${camel}Id`)} String   @id @default(dbgenerated("uuidv7()")) @map("${snake}_id") @db.Uuid
  ${column('text')} String
  ${column('createTime')} DateTime @default(now()) @map("create_time") @db.Timestamptz(3)

  @@map("${snake}")
}

/// Answers by the caller's key. Written by @weft/runtime/data/idempotency.
model IdempotencyKey {
  rpc         String
  principal   String
  requestId   String   @map("request_id") @db.Uuid
  requestHash Bytes    @map("request_hash")
  response    Bytes    @default("")
  createTime  DateTime @default(now()) @map("create_time") @db.Timestamptz(3)

  @@id([rpc, principal, requestId])
  @@index([createTime])
  @@map("idempotency_keys")
}

/// The log of changes behind Watch streams. Written and read by @weft/runtime/data/changes.
model Change {
  position    BigInt              @id @default(autoincrement())
  transaction Unsupported("xid8") @default(dbgenerated("pg_current_xact_id()"))
  topic       String
  key         String
  payload     Bytes
  createTime  DateTime            @default(now()) @map("create_time") @db.Timestamptz(6)

  @@index([transaction, position], map: "changes_order")
  @@index([createTime], map: "changes_by_time")
  @@map("changes")
}

/// How far changes were forgotten: one row, or none.
model ChangesHorizon {
  id          Boolean             @id
  transaction Unsupported("xid8")

  @@map("changes_horizon")
}
`;
}

/** `prisma/migrations/<time>_<workload>/migration.sql` */
export function migrationText({ workload, snake }: Names): string {
  return `-- The first tables of the workload ${workload}: those of schema.prisma.

CREATE TABLE "${snake}" (
    "${snake}_id" UUID NOT NULL DEFAULT uuidv7(),
    "text" TEXT NOT NULL,
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "${snake}_pkey" PRIMARY KEY ("${snake}_id")
);

-- What the runtime keeps.

CREATE TABLE "idempotency_keys" (
    "rpc" TEXT NOT NULL,
    "principal" TEXT NOT NULL,
    "request_id" UUID NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "response" BYTEA NOT NULL DEFAULT '\\x',
    "create_time" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("rpc", "principal", "request_id")
);

CREATE INDEX "idempotency_keys_create_time_idx" ON "idempotency_keys" ("create_time");

CREATE TABLE changes (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_order ON changes (transaction, position);
CREATE INDEX changes_by_time ON changes (create_time);

CREATE TABLE changes_horizon (
    id boolean PRIMARY KEY CHECK (id),
    transaction xid8 NOT NULL
);
`;
}
