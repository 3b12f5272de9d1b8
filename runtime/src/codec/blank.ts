/**
 * Messages without content, as `create` makes them: the same properties in the same order. They are copies of one that was
 * made by the library, which is cheaper than making them.
 */

import { create, type DescMessage } from '@bufbuild/protobuf';
import type { Properties } from './fields.ts';

/** Makes messages of a type that `isBare`. */
export function blankMaker(desc: DescMessage): () => Properties {
  const blank = create(desc) as unknown as Properties;
  // Lists, maps and oneofs are changed in place, so each message needs its own.
  const lists = desc.members.filter((member) => member.kind === 'field' && member.fieldKind === 'list').map(localName);
  const maps = desc.members.filter((member) => member.kind === 'field' && member.fieldKind === 'map').map(localName);
  const oneofs = desc.oneofs.map(localName);
  return () => {
    const message: Properties = { ...blank };
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
