/** All that a new service consists of, decided before anything is written. It touches no file. */
import type { OutputFile } from '../output.ts';
import { withWorkload } from './compose-text.ts';
import {
  databaseMainText,
  databaseServiceText,
  databaseText,
  migrationText,
  openText,
  schemaText,
} from './database-text.ts';
import type { Names } from './names.ts';
import { dockerfileText, packageText } from './package-text.ts';
import { protoText } from './proto-text.ts';
import { ScaffoldRefusal } from './refusal.ts';
import type { Repository } from './repository.ts';
import { mainText, memoryServiceText } from './service-text.ts';
import { databaseTestText, memoryTestText } from './test-text.ts';

const composeFile = 'docker-compose.yml';

/** A file that is there already, and what becomes of it. */
export interface Edit {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** What is written; names begin at the root of the repository. */
export interface Plan {
  readonly created: readonly OutputFile[];
  readonly edited: readonly Edit[];
}

/**
 * Plans the service.
 *
 * @param database the day of its first migration, `20260101000000`; undefined for a service without a database.
 * @throws ScaffoldRefusal for a name that is taken, and for a database where nothing would give the tests one.
 */
export function planScaffold(names: Names, repository: Repository, database: string | undefined): Plan {
  const { workload } = names;
  const taken = repository.workloads.get(workload);
  if (taken !== undefined) {
    throw new ScaffoldRefusal(`the workload ${workload} exists, in ${taken}: choose another by --workload`);
  }
  if (database !== undefined && repository.databaseVersions === undefined) {
    const helper = 'dev/src/testing.ts, which gives the tests of a service a database';
    throw new ScaffoldRefusal(
      `this repository has no ${helper}: leave --database out, and see runtime/src/data/README.md`,
    );
  }
  const hasDatabase = database !== undefined;
  const service = `services/${workload}`;
  const compose = repository.compose;
  const composed =
    compose === undefined
      ? undefined
      : withWorkload(compose, names, `${repository.meshFolder}/envoy/compose`, hasDatabase);
  return {
    created: [
      { name: `${repository.protoFolder}/${names.protoPath}`, content: protoText(names) },
      { name: `${service}/package.json`, content: packageText(names, repository, hasDatabase) },
      ...(database === undefined ? inMemory(names, repository) : onDatabase(names, repository, database)),
      ...(composed === undefined
        ? []
        : [{ name: `${service}/Dockerfile`, content: dockerfileText(names, repository, hasDatabase) }]),
    ],
    edited:
      compose === undefined || composed === undefined ? [] : [{ name: composeFile, before: compose, after: composed }],
  };
}

function inMemory(names: Names, repository: Repository): OutputFile[] {
  const { workload, kebab } = names;
  const service = `services/${workload}`;
  return [
    { name: `${service}/src/main.ts`, content: mainText(names, repository) },
    { name: `${service}/src/${kebab}-service.ts`, content: memoryServiceText(names, repository) },
    { name: `${service}/test/${kebab}-service.test.ts`, content: memoryTestText(names, repository) },
  ];
}

function onDatabase(names: Names, repository: Repository, day: string): OutputFile[] {
  const { workload, kebab } = names;
  const service = `services/${workload}`;
  const migration = `${day}_${workload.replaceAll('-', '_')}`;
  return [
    { name: `${service}/prisma/schema.prisma`, content: schemaText(names) },
    { name: `${service}/prisma/migrations/${migration}/migration.sql`, content: migrationText(names) },
    { name: `${service}/src/main.ts`, content: databaseMainText(names, repository) },
    { name: `${service}/src/workload.ts`, content: openText(names, repository) },
    { name: `${service}/src/database.ts`, content: databaseText(names) },
    { name: `${service}/src/${kebab}-service.ts`, content: databaseServiceText(names, repository) },
    { name: `${service}/test/${kebab}-service.test.ts`, content: databaseTestText(names, repository) },
  ];
}
