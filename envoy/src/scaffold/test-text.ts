/** The test of a new service: its RPCs on a port of their own, called by the generated client, with good and bad input. */
import { importLines, messagesModule, policyModule, sortedModules } from './imports.ts';
import type { Names } from './names.ts';
import type { Repository } from './repository.ts';

/** `test/<name>-service.test.ts` of a service that keeps everything in memory. */
export function memoryTestText(names: Names, repository: Repository): string {
  const { workload, camel, kebab, service } = names;
  const folder = `services/${workload}/test`;
  return `${importLines([
    ['node:crypto', 'randomUUID'],
    ...sortedModules(
      [messagesModule(names, repository, folder), service],
      [policyModule(repository, folder), 'policies'],
      ['@weft/runtime/client/connect', 'connect'],
      ['@weft/runtime/errors/fail', 'fieldViolationsOf', 'reasonOf'],
      ['@weft/runtime/server/implement', 'implement'],
      ['@weft/runtime/server/serve', 'serve'],
      ['vitest', 'afterAll', 'expect', 'test'],
    ),
    [`../src/${kebab}-service.ts`, `${camel}Service`],
  ])}

const server = await serve({
  workload: '${workload}',
  listen: '127.0.0.1:0',
  policy: policies,
  services: [implement(${service}, ${camel}Service())],
  drain: { noticeMs: 0 },
});
afterAll(() => server.close());
const client = connect(${service}, { egress: server.address, policy: policies });

${testCases(names)}`;
}

/** The test of a service on a database: the same, with the helpers of the repository's other services. */
export function databaseTestText(names: Names, repository: Repository): string {
  const { workload, service } = names;
  const folder = `services/${workload}/test`;
  return `${importLines([
    ['node:crypto', 'randomUUID'],
    [messagesModule(names, repository, folder), service],
    [policyModule(repository, folder), 'policies'],
    ['@weft/runtime/client/connect', 'connect'],
    ['@weft/runtime/errors/fail', 'fieldViolationsOf', 'reasonOf'],
    ['vitest', 'afterAll', 'expect', 'test'],
    ['../../../dev/src/testing/hosted.ts', 'host'],
    ['../../../dev/src/testing.ts', 'testDatabase'],
    ['../src/workload.ts', 'openWorkload'],
  ])}

const database = await testDatabase('${workload}');
const hosted = await host('${workload}', openWorkload({ databaseUrl: database.url }));
afterAll(async () => {
  await hosted.stop();
  await database.drop();
});
const client = connect(${service}, { egress: hosted.address, policy: policies });

${testCases(names)}`;
}

function testCases({ resource, camel, aResource }: Names): string {
  return `const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test('${aResource} that was created is found by its id', async () => {
  const { ${camel} } = await client.create${resource}({ requestId: randomUUID(), text: 'Water the plants' });
  expect(${camel}?.text).toBe('Water the plants');
  const found = await client.get${resource}({ ${camel}Id: ${camel}?.${camel}Id ?? '' });
  expect(found.${camel}).toEqual(${camel});
});

test('the same request creates once, and its id is good for nothing else', async () => {
  const request = { requestId: randomUUID(), text: 'Once' };
  const first = await client.create${resource}(request);
  expect(await client.create${resource}(request)).toEqual(first);
  expect(reasonOf(await failure(client.create${resource}({ ...request, text: 'Twice' })))).toBe('REQUEST_ID_REUSED');
});

test('${aResource} that does not exist is not found', async () => {
  const error = await failure(client.get${resource}({ ${camel}Id: randomUUID() }));
  expect(reasonOf(error)).toBe('RESOURCE_NOT_FOUND');
});

test('what breaks a rule of the contract is refused field by field', async () => {
  const error = await failure(client.create${resource}({ requestId: 'mine', text: '' }));
  expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['request_id', 'text']);
  const long = await failure(client.create${resource}({ requestId: randomUUID(), text: 'x'.repeat(1001) }));
  expect(reasonOf(long)).toBe('INVALID_FIELD');
});
`;
}
