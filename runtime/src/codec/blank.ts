/**
 * Messages without content, as `create` makes them: the same properties in the same order. They are copies of one that was
 * made by the library, which is cheaper than making them.
 */

import { create, type DescMessage } from '@bufbuild/protobuf';
import type { Properties } from './fields.ts';

type Copier = (blank: Properties) => () => Properties;

/**
 * Copiers that do the same, each in a place of its own: the engine copies quickly where a place has seen up to four shapes
 * of objects, and at a third of the speed where it has seen more.
 */
const copiers: readonly Copier[] = [
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
  (blank) => () => ({ ...blank }),
];
let types = 0;
const makers = new WeakMap<DescMessage, () => Properties>();

/** The copier of the next type; neighbours, which are likely to be used together, get different ones. */
function nextCopier(blank: Properties): () => Properties {
  const copier = copiers[types++ % copiers.length] as Copier;
  return copier(blank);
}

/** Makes messages of a type that `isBare`. */
export function blankMaker(desc: DescMessage): () => Properties {
  const known = makers.get(desc);
  if (known !== undefined) {
    return known;
  }
  const maker = makerOf(desc);
  makers.set(desc, maker);
  return maker;
}

function makerOf(desc: DescMessage): () => Properties {
  const blank = create(desc) as unknown as Properties;
  // Lists, maps and oneofs are changed in place, so each message needs its own.
  const lists = desc.members.filter((member) => member.kind === 'field' && member.fieldKind === 'list').map(localName);
  const maps = desc.members.filter((member) => member.kind === 'field' && member.fieldKind === 'map').map(localName);
  const oneofs = desc.oneofs.map(localName);
  const copy = nextCopier(blank);
  if (lists.length + maps.length + oneofs.length === 0) {
    return copy;
  }
  return () => {
    const message = copy();
    for (let index = 0; index < lists.length; index++) {
      message[lists[index] as string] = [];
    }
    for (let index = 0; index < maps.length; index++) {
      message[maps[index] as string] = {};
    }
    for (let index = 0; index < oneofs.length; index++) {
      message[oneofs[index] as string] = { case: undefined };
    }
    return message;
  };
}

function localName(member: { readonly localName: string }): string {
  return member.localName;
}
