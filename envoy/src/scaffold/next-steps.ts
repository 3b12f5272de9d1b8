/** What is left to do by hand, in the order in which it is done. */

import type { Names } from './names.ts';
import { packageName } from './package-text.ts';
import type { Plan } from './plan.ts';
import type { Repository } from './repository.ts';

/** The text that is printed behind the list of files. */
export function nextSteps(names: Names, repository: Repository, { edited }: Plan, database: boolean): string {
  const { scripts } = repository;
  const { workload } = names;
  const installs = ['npm install', ...(repository.tools.has('vitest') ? [] : ['npm install --save-dev vitest'])];
  return [
    ...topologyWords(workload, repository),
    ...needs(names, repository),
    '',
    'Next:',
    ...installs.map((command) => `  ${command}`),
    `  ${scripts.has('generate') ? 'npm run generate' : 'buf generate'}`,
    `  ${scripts.has('test') ? 'npm test -- ' : 'npx vitest run '}services/${workload}`,
    ...(repository.tools.has('@biomejs/biome') ? [`  npx biome check --write services/${workload}`] : []),
    ...runLines(names, repository),
    ...(database && edited.length > 0
      ? [
          '',
          'A PostgreSQL volume of docker-compose.yml that exists already does not get the new database: make it by hand, or `down -v`.',
        ]
      : []),
    '',
  ].join('\n');
}

function topologyWords(workload: string, { topologies, meshFolder }: Repository): string[] {
  const { ready, unready } = topologies;
  return [
    ...(ready.length === 0
      ? []
      : [
          '',
          `Topologies: nothing to write. ${ready.join(', ')} place${ready.length === 1 ? 's' : ''} every workload by the`,
          `template under \`workload\`; generating adds ${meshFolder}/envoy/<topology>/${workload}.yaml.`,
        ]),
    ...unready.flatMap((file) => [
      '',
      `${file} reaches every workload at the same address: use {workload} in \`reached_at\`, or give`,
      `${workload} addresses of its own under \`workloads.${workload}\`.`,
    ]),
  ];
}

function needs(names: Names, repository: Repository): string[] {
  const { versions, hasValidate, hasWorkspaces } = repository;
  const runtime = versions['@weft/runtime'];
  const name = packageName(names, repository);
  const lines = [
    ...(runtime.startsWith('file:') || runtime === '*'
      ? [`  @weft/runtime, which ${name} serves with: its package.json says ${JSON.stringify(runtime)}.`]
      : []),
    ...(hasWorkspaces
      ? []
      : ['  "services/*" among the `workspaces` of package.json, so that npm installs what it needs.']),
    ...(hasValidate
      ? []
      : [
          '  buf/validate/validate.proto in a module or among the deps of buf.yaml: the bounds of fields are written in it.',
        ]),
  ];
  return lines.length === 0 ? [] : ['', 'It needs:', ...lines];
}

function runLines(names: Names, { scripts }: Repository): string[] {
  const { workload, serviceFullName, resource } = names;
  const isMesh = scripts.has('start') && scripts.has('token');
  const body = '{"request_id": "5f0d4a52-3c1f-4c0e-9d3e-0c7a35a5b8aa", "text": "Water the plants"}';
  const call = `127.0.0.1:8080 ${serviceFullName}/Create${resource}`;
  return [
    isMesh
      ? '  npm start'
      : `  WEFT_WORKLOAD=${workload} WEFT_LISTEN=unix:run/${workload}.app.sock node services/${workload}/src/main.ts   # beside its Envoy`,
    `  grpcurl -plaintext -H "authorization: Bearer ${isMesh ? '$(npm run --silent token)' : '$TOKEN'}" -d '${body}' \\`,
    `    ${call}`,
  ];
}
