/**
 * Writes configuration as YAML to be read from top to bottom: comments where blocks carry them, and what is small enough on one
 * line. The same blocks always give the same text.
 */
import { Document, Pair, type ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { type Block, type BlockMap, Noted } from './block.ts';

/** Longest mapping or list that is written on one line, in characters without its indentation. */
const longestFlow = 96;

/** The text of a file; `header` becomes the comment at its top. */
export function renderYaml(header: string, block: BlockMap): string {
  const document = new Document();
  document.contents = nodeOf(block) as ParsedNode;
  document.commentBefore = indent(header);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function nodeOf(block: Block): Scalar | YAMLMap | YAMLSeq {
  if (block instanceof Noted) {
    const node = nodeOf(block.block);
    node.commentBefore = indent(block.comment);
    return node;
  }
  if (isList(block)) {
    const list = new YAMLSeq();
    list.flow = fitsOnOneLine(block);
    list.items = block.map(nodeOf);
    return list;
  }
  if (typeof block === 'object') {
    const map = new YAMLMap();
    map.flow = fitsOnOneLine(block);
    for (const [key, value] of Object.entries(block)) {
      if (value !== undefined) map.items.push(pairOf(key, value));
    }
    return map;
  }
  return scalar(block);
}

/** Envoy's YAML parser takes fewer plain texts than YAML allows, so all but words and paths stand in quotes. */
function scalar(value: string | number | boolean): Scalar {
  const node = new Scalar(value);
  if (typeof value === 'string' && !/^[\w./:;, -]+$/.test(value)) node.type = 'QUOTE_SINGLE';
  return node;
}

/** A comment on a property stands before its key. */
function pairOf(key: string, value: Block): Pair {
  const node = new Scalar(key);
  if (!(value instanceof Noted)) return new Pair(node, nodeOf(value));
  node.commentBefore = indent(value.comment);
  return new Pair(node, nodeOf(value.block));
}

const isList = (block: Block): block is readonly Block[] => Array.isArray(block);

function fitsOnOneLine(block: Block): boolean {
  return !hasComment(block) && JSON.stringify(block).replaceAll('"', '').length <= longestFlow;
}

function hasComment(block: Block): boolean {
  if (block instanceof Noted) return true;
  return typeof block === 'object' && Object.values(block).some((inner) => inner !== undefined && hasComment(inner));
}

const indent = (comment: string): string => comment.replace(/^/gm, ' ');
