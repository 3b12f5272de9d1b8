/** What makes a folder a package and an image: package.json and Dockerfile. */
import type { Names } from './names.ts';
import type { Repository } from './repository.ts';

/** The package's name: `@acme/notes`. */
export const packageName = ({ workload, protoPackage }: Names, { scope }: Repository): string =>
  `${scope ?? `@${protoPackage.split('.', 1)[0]}`}/${workload}`;

/** `package.json` */
export function packageText(names: Names, repository: Repository, database: boolean): string {
  const { versions, databaseVersions, messages } = repository;
  const dependencies = {
    ...versions,
    ...(messages.packageName === undefined ? {} : { [messages.packageName]: messages.version }),
    ...(database ? databaseVersions : {}),
  };
  const sorted = Object.entries(dependencies).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const description = {
    name: packageName(names, repository),
    version: '0.1.0',
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(sorted),
  };
  return `${JSON.stringify(description, undefined, 2)}\n`;
}

/** `Dockerfile`, for a repository that holds the runtime. */
export function dockerfileText(names: Names, repository: Repository, database: boolean): string {
  const { workload } = names;
  const { folder } = repository.messages;
  return `# The workload ${workload} and nothing else. Build from the root of the repository: docker build -f services/${workload}/Dockerfile .
FROM node:26-slim
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=256 --max-semi-space-size=4"
WORKDIR /weft
COPY package.json package-lock.json .npmrc ./
COPY ${folder}/package.json ${folder}/
COPY runtime/package.json runtime/
COPY services/${workload}/package.json services/${workload}/
RUN npm ci --ignore-scripts --omit=dev --omit=optional --workspace=${packageName(names, repository)} && npm cache clean --force
COPY ${folder} ${folder}
COPY runtime/src runtime/src
${database ? `COPY services/${workload}/prisma services/${workload}/prisma\n` : ''}COPY services/${workload}/src services/${workload}/src
USER node
CMD ["node", "services/${workload}/src/main.ts"]
`;
}
