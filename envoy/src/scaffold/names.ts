/**
 * Every name of a new service, from the few that are asked for: `acme.notes.v1` alone makes the workload `notes`, its service
 * `NoteService` and the messages, files and scopes that go with them.
 */
import { reservedWorkloads, workloadPattern } from '../contract/vocabulary.ts';
import { ScaffoldRefusal } from './refusal.ts';

/** What is asked for. */
export interface Wish {
  /** The proto package: `acme.notes.v1`. */
  readonly protoPackage: string;
  /** Default: the last word of the package, `notes`. */
  readonly workload?: string | undefined;
  /** Default: the singular of that word, `NoteService`. */
  readonly service?: string | undefined;
}

/** The names, each in the spellings that the files need. */
export interface Names {
  readonly protoPackage: string;
  readonly workload: string;
  /** `NoteService` */
  readonly service: string;
  /** `acme.notes.v1.NoteService` */
  readonly serviceFullName: string;
  /** What the service keeps: `OrderNote`, `orderNote`, `order_note`, `order-note`, `order note`. */
  readonly resource: string;
  readonly camel: string;
  readonly snake: string;
  readonly kebab: string;
  readonly words: string;
  /** `an order note` */
  readonly aResource: string;
  /** Where its proto stands in the module: `acme/notes/v1/note_service.proto`. */
  readonly protoPath: string;
}

const packagePattern = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$/;
const versionPattern = /^v[1-9][0-9]*(?:(?:alpha|beta)[1-9][0-9]*)?$/;
const servicePattern = /^(?:[A-Z][a-z0-9]+)+Service$/;
/** Packages whose files are somebody else's. */
const foreignPackages = /^(?:google|buf|weft\.mesh)\./;
/** Names that the scaffolded code has for something else. */
const takenResources = new Set([
  'Client',
  'Code',
  'ConnectError',
  'Database',
  'IdempotencyKey',
  'Implementation',
  'Map',
  'Pool',
  'PrismaClient',
  'Promise',
  'Service',
  'Sql',
]);

/**
 * Works the names out.
 *
 * @throws ScaffoldRefusal for a name that buf or the compiler would refuse later.
 */
export function namesOf({ protoPackage, workload, service }: Wish): Names {
  const parts = protoPackage.split('.');
  const version = parts.at(-1) ?? '';
  const last = parts.at(-2) ?? '';
  if (!packagePattern.test(protoPackage) || !versionPattern.test(version) || parts.length < 3) {
    const rule = 'lower-case words with dots between, the last one a version';
    throw new ScaffoldRefusal(`"${protoPackage}" is no name for a package: write ${rule}, such as acme.notes.v1`);
  }
  if (foreignPackages.test(protoPackage)) {
    throw new ScaffoldRefusal(
      `${protoPackage} belongs to others: choose a package of your own, such as acme.${last}.v1`,
    );
  }
  const resource = resourceOf(service, last);
  const words = wordsOf(resource);
  const spoken = words.join(' ');
  return {
    protoPackage,
    workload: workloadOf(workload, last),
    service: `${resource}Service`,
    serviceFullName: `${protoPackage}.${resource}Service`,
    resource,
    camel: resource.charAt(0).toLowerCase() + resource.slice(1),
    snake: words.join('_'),
    kebab: words.join('-'),
    words: spoken,
    aResource: `${/^[aeiou]/.test(spoken) ? 'an' : 'a'} ${spoken}`,
    protoPath: `${parts.join('/')}/${words.join('_')}_service.proto`,
  };
}

function workloadOf(asked: string | undefined, last: string): string {
  const workload = asked ?? last.replaceAll('_', '-');
  if (workloadPattern.test(workload) && !reservedWorkloads.includes(workload)) return workload;
  const rule = `1 to 32 lower-case letters, digits and inner hyphens, and none of ${reservedWorkloads.join(', ')}`;
  throw new ScaffoldRefusal(`"${workload}" is no name for a workload: use --workload with ${rule}`);
}

function resourceOf(asked: string | undefined, last: string): string {
  const service = asked ?? `${pascal(singular(last))}Service`;
  if (!servicePattern.test(service)) {
    throw new ScaffoldRefusal(`"${service}" is no name for a service: use --service with one such as NoteService`);
  }
  const resource = service.slice(0, -'Service'.length);
  if (takenResources.has(resource)) {
    throw new ScaffoldRefusal(`"${service}" would keep a ${resource}, which the code has a meaning for: use --service`);
  }
  return resource;
}

/** `entries`: `entry`; `boxes`: `box`; `notes`: `note`; `status`, `address` and `news` as they are. */
function singular(word: string): string {
  if (/[^aeiou]ies$/.test(word)) return `${word.slice(0, -'ies'.length)}y`;
  if (/(?:x|ch|sh|ss)es$/.test(word)) return word.slice(0, -'es'.length);
  return /[^s]s$/.test(word) && !/(?:us|is|news)$/.test(word) ? word.slice(0, -'s'.length) : word;
}

const pascal = (snake: string): string =>
  snake
    .split('_')
    .filter((word) => word !== '')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

const wordsOf = (name: string): string[] => (name.match(/[A-Z][a-z0-9]+/g) ?? []).map((word) => word.toLowerCase());
