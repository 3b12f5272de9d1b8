/**
 * Single values as YAML. The yaml library knows when a text has to be quoted; what a bootstrap holds by the ten thousand (names,
 * paths, durations, whole numbers) is told apart here first, since asking the library for each would be most of a compiler's time.
 */
import { Document, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';

/** What stands as it is, wherever it stands; it begins like no number and has neither spaces nor what collections are made of. */
const plain = /^(?!(?:true|false|null)$)[A-Za-z_/](?:[\w./:-]*[\w./])?$/i;
const duration = /^\d+(?:\.\d+)?s$/;
/** Envoy's YAML parser takes fewer plain texts than YAML allows, so all but words and paths stand in quotes. */
const wordsAndPaths = /^[\w./:;, -]+$/;
/** What single quotes cannot hold as it is. */
const unprintable = /[\p{Cc}\p{Cs}]/u;

type Value = string | number | boolean;

/** A value; `inFlow` when it stands between braces or brackets. */
export function scalarText(value: Value, inFlow: boolean): string {
  if (typeof value !== 'string')
    return Number.isSafeInteger(value) ? String(value) : remembered(value, inFlow, 'value');
  if (plain.test(value) || duration.test(value)) return value;
  if (!wordsAndPaths.test(value) && !unprintable.test(value)) return `'${value.replaceAll("'", "''")}'`;
  return remembered(value, inFlow, 'value');
}

/** The key of a mapping. */
export const keyText = (key: string, inFlow: boolean): string =>
  plain.test(key) ? key : remembered(key, inFlow, 'key');

const mostRemembered = 10_000;
const texts = new Map<string, string>();

function remembered(value: Value, inFlow: boolean, as: 'key' | 'value'): string {
  const id = `${as} ${inFlow} ${typeof value} ${value}`;
  const known = texts.get(id);
  if (known !== undefined) return known;
  if (texts.size >= mostRemembered) texts.clear();
  const text = as === 'key' ? keyByLibrary(value, inFlow) : valueByLibrary(value, inFlow);
  texts.set(id, text);
  return text;
}

function valueByLibrary(value: Value, inFlow: boolean): string {
  // A line break would be written as lines, which need an indentation; quoted as JSON it needs none.
  if (typeof value === 'string' && unprintable.test(value)) return JSON.stringify(value);
  const list = new YAMLSeq();
  list.flow = inFlow;
  list.items.push(new Scalar(value));
  const text = textOf(list);
  return inFlow ? text.slice('['.length, -']'.length) : text.slice('- '.length);
}

function keyByLibrary(key: Value, inFlow: boolean): string {
  const map = new YAMLMap();
  map.flow = inFlow;
  map.items.push(new Pair(new Scalar(key), new Scalar(0)));
  const text = textOf(map);
  return inFlow ? text.slice('{'.length, -': 0}'.length) : text.slice(0, -': 0'.length);
}

function textOf(contents: YAMLMap | YAMLSeq): string {
  const document = new Document();
  document.contents = contents as never; // The type asks for the ranges of what was parsed, which writing does not use.
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}
