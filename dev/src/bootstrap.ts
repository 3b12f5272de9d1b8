/**
 * The Envoy bootstraps of the topology `local`, with the ports that were free. They are used as generated in every other
 * respect; addresses are replaced in the parsed document, not in its text.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, isMap, isScalar, parseDocument, visit } from 'yaml';
import { Failure } from './failure.ts';
import { checkout } from './paths.ts';
import { defaultPorts, type Ports } from './ports.ts';

/** Bootstraps on which the Envoys of the mesh run, relative to the state folder. */
const folder = 'envoy';
const loopbackUrl = /^(https?:\/\/(?:127\.0\.0\.1|localhost):)(\d+)(?=\/|$)/;

const generated = join(checkout, 'gen', 'envoy', 'local');

/** The workloads of the mesh, the edge among them: all that have a bootstrap. */
export function workloadNames(): string[] {
  const names = existsSync(generated) ? readdirSync(generated).filter((name) => name.endsWith('.yaml')) : [];
  if (names.length === 0) {
    throw new Failure('There are no Envoy bootstraps', {
      why: 'gen/envoy/local is empty.',
      remedy: 'Run `npm run generate`, or check out gen/ again.',
    });
  }
  return names.map((name) => name.slice(0, -'.yaml'.length)).sort();
}

/** Writes a workload's bootstrap for these ports and returns its path relative to the state folder. */
export function writeBootstrap(stateFolder: string, workload: string, ports: Ports): string {
  const source = readFileSync(join(generated, `${workload}.yaml`), 'utf8');
  const path = join(folder, `${workload}.yaml`);
  const target = join(stateFolder, path);
  const stamp = `# ${createHash('sha256').update(source).update(JSON.stringify(ports)).digest('hex')}\n`;
  if (existsSync(target) && readFileSync(target, 'utf8').startsWith(stamp)) return path;
  mkdirSync(join(stateFolder, folder), { recursive: true, mode: 0o700 });
  writeFileSync(target, stamp + withPorts(source, ports), { mode: 0o600 });
  return path;
}

/** The text of a bootstrap with each default port, where an address of loopback names it, replaced. */
export function withPorts(source: string, ports: Ports): string {
  const replacements = new Map<number, number>();
  for (const name of Object.keys(ports) as (keyof Ports)[]) replacements.set(defaultPorts[name], ports[name]);
  const document = parseDocument(source);
  replaceSocketAddresses(document, replacements);
  replaceUrls(document, replacements);
  return document.toString({ lineWidth: 0 });
}

function replaceSocketAddresses(document: Document, replacements: Map<number, number>): void {
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || pair.key.value !== 'socket_address' || !isMap(pair.value)) return;
      const port = pair.value.get('port_value');
      const replacement = typeof port === 'number' ? replacements.get(port) : undefined;
      if (replacement !== undefined && pair.value.get('address') === '127.0.0.1')
        pair.value.set('port_value', replacement);
    },
  });
}

function replaceUrls(document: Document, replacements: Map<number, number>): void {
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value !== 'string') return;
      scalar.value = scalar.value.replace(loopbackUrl, (whole, before: string, port: string) => {
        const replacement = replacements.get(Number(port));
        return replacement === undefined ? whole : `${before}${replacement}`;
      });
    },
  });
}
