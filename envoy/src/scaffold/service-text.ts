/** The code of a new service: a main function, and its RPCs, in memory or on a database. */
import { type Imports, importLines, messagesModule, policyModule, sortedModules } from './imports.ts';
import type { Names } from './names.ts';
import type { Repository } from './repository.ts';

/** `src/main.ts` of a service that keeps everything in memory. */
export function mainText(names: Names, repository: Repository): string {
  const { workload, camel, kebab, service } = names;
  const folder = `services/${workload}/src`;
  return `/**
 * The workload ${workload}: a process behind its sidecar.
 */

${importLines([
  ...sortedModules(
    [messagesModule(names, repository, folder), service],
    [policyModule(repository, folder), 'policies'],
    ['@weft/runtime/server/implement', 'implement'],
    ['@weft/runtime/server/run-service', 'runService'],
  ),
  [`./${kebab}-service.ts`, `${camel}Service`],
])}

await runService({
  policy: policies,
  open: () => ({ services: [implement(${service}, ${camel}Service())] }),
});
`;
}

/** `src/<name>-service.ts` of a service that keeps everything in memory. */
export function memoryServiceText(names: Names, repository: Repository): string {
  const { workload, resource, camel, snake, service, words } = names;
  const messages = messagesModule(names, repository, `services/${workload}/src`);
  const imports: Imports = [
    ['node:crypto', 'randomUUID'],
    ['@bufbuild/protobuf', 'create', 'equals'],
    ['@bufbuild/protobuf/wkt', 'timestampNow'],
    ['@connectrpc/connect', 'type ServiceImpl'],
    ...sortedModules(
      [
        messages,
        `type Create${resource}Request`,
        `Create${resource}RequestSchema`,
        `type ${resource}`,
        `${resource}Schema`,
        `type ${service}`,
      ],
      ['@weft/runtime/errors/fail', 'fail'],
      ['@weft/runtime/server/caller', 'principal'],
    ),
  ];
  return `/**
 * ${service}: what its RPCs are made of. What it keeps is in the memory of this one process: it is gone when that ends, and
 * another replica does not have it.
 */

${importLines(imports)}

/** Entries that are kept; the oldest goes when there are more. */
const KEPT_MAX = 10_000;

/** A request, and what was made of it. */
type Answered = { readonly request: Create${resource}Request; readonly ${camel}: ${resource} };

/** Makes the service, with nothing in it. */
export function ${camel}Service(): ServiceImpl<typeof ${service}> {
  const kept = new Map<string, ${resource}>();
  const answered = new Map<string, Answered>();
  return {
    get${resource}({ ${camel}Id }) {
      const ${camel} = kept.get(${camel}Id);
      if (${camel} === undefined) {
        const text = \`no ${words} has the id \${${camel}Id}\`;
        throw fail('RESOURCE_NOT_FOUND', text, { ${snake}_id: ${camel}Id });
      }
      return { ${camel} };
    },

    create${resource}(request) {
      // Keys of different callers are different keys.
      const key = \`\${principal()} \${request.requestId}\`;
      const before = answered.get(key);
      if (before !== undefined) {
        if (!equals(Create${resource}RequestSchema, before.request, request)) {
          throw fail('REQUEST_ID_REUSED', undefined, { request_id: request.requestId });
        }
        return { ${camel}: before.${camel} };
      }
      const ${camel} = create(${resource}Schema, {
        ${camel}Id: randomUUID(),
        text: request.text,
        createTime: timestampNow(),
      });
      keep(kept, ${camel}.${camel}Id, ${camel});
      keep(answered, key, { request, ${camel} });
      return { ${camel} };
    },
  };
}

function keep<Value>(entries: Map<string, Value>, key: string, value: Value): void {
  entries.set(key, value);
  const [oldest] = entries.keys();
  if (entries.size > KEPT_MAX && oldest !== undefined) {
    entries.delete(oldest);
  }
}
`;
}
