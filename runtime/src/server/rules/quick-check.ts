/**
 * A quick look at whether a message keeps the rules of its contract: compiled from the rules once, it says yes to nearly every message
 * that keeps them, and yes to no other. Whatever it does not say yes to is for the library to judge (validate.ts), whose verdicts and texts are the only
 * ones there are; so a rule that is not known here costs time and nothing else.
 *
 * The library goes by reflection and interprets some rules, which takes 0.5 to 18 us for a small request; this takes 0.2 to 0.7 (docs/decisions/0017,
 * `npm run bench:rules`).
 */

import { type DescField, type DescMessage, type DescOneof, getOption, type MessageShape } from '@bufbuild/protobuf';
import {
  type FieldRules,
  field as fieldRules,
  Ignore,
  message as messageRules,
  oneof as oneofRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { IMPLICIT, type Properties } from '../../codec/fields.ts';
import { type Check, isZero, knowsOnly, listCheck, UNKNOWN, valueCheck } from './quick-values.ts';

type MessageCheck = (message: Properties) => boolean;

const known = new WeakMap<DescMessage, MessageCheck>();

/** Whether a message surely keeps its rules; false for one that breaks some, and for one that nobody has looked at. */
export function surelyKeepsRules<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): boolean {
  let check = known.get(desc);
  if (check === undefined) {
    check = quickCheckOf(desc) ?? (() => false);
    known.set(desc, check);
  }
  return check(message as unknown as Properties);
}

/** The quick look at messages of a type; undefined when one of the rules is not known here. */
export function quickCheckOf(desc: DescMessage): MessageCheck | undefined {
  return compile(desc, new Map());
}

/** @param compiled what is compiled or being compiled: a message may hold others of its own type. */
function compile(desc: DescMessage, compiled: Map<DescMessage, Check>): MessageCheck | undefined {
  const { cel, celExpression, oneof } = getOption(desc, messageRules);
  if (cel.length > 0 || celExpression.length > 0 || oneof.length > 0) {
    return undefined;
  }
  const checks: MessageCheck[] = [];
  compiled.set(desc, (message) => checks.every((check) => check(message as Properties)));
  for (const one of desc.oneofs) {
    if (getOption(one, oneofRules).required) {
      checks.push(isChosen(one));
    }
  }
  for (const field of desc.fields) {
    const check = fieldCheck(field, compiled);
    if (check === UNKNOWN) {
      return undefined;
    }
    if (check !== undefined) {
      checks.push(check);
    }
  }
  return (message) => checks.every((check) => check(message));
}

function isChosen({ localName }: DescOneof): MessageCheck {
  return (message) => (message[localName] as { case?: string }).case !== undefined;
}

/** What is to be checked of a field; undefined for nothing. */
function fieldCheck(field: DescField, compiled: Map<DescMessage, Check>): MessageCheck | typeof UNKNOWN | undefined {
  const rules = getOption(field, fieldRules);
  if (!isPlainRules(rules)) {
    return UNKNOWN;
  }
  if (rules.ignore === Ignore.ALWAYS) {
    return undefined;
  }
  const check = contentCheck(field, rules, compiled);
  if (check === UNKNOWN || (rules.required && isZero(field) === UNKNOWN)) {
    return UNKNOWN;
  }
  return check === undefined && !rules.required ? undefined : whereSet(field, rules, check ?? (() => true));
}

function isPlainRules({ cel, celExpression, $unknown }: FieldRules): boolean {
  return cel.length === 0 && celExpression.length === 0 && ($unknown ?? []).length === 0;
}

/** Checks the value of a field that has one. Rules of a field without presence hold for its zero too, unless they say otherwise. */
function whereSet(field: DescField, { required, ignore }: FieldRules, check: Check): MessageCheck {
  const { localName, oneof } = field;
  if (oneof !== undefined) {
    const { localName: group } = oneof;
    return (message) => {
      const chosen = message[group] as { case?: string; value?: unknown };
      return chosen.case === localName ? check(chosen.value) : !required;
    };
  }
  const isUnset = isZero(field);
  if (field.presence === IMPLICIT && isUnset !== UNKNOWN && !required && ignore === Ignore.UNSPECIFIED) {
    return (message) => check(message[localName]);
  }
  if (isUnset === UNKNOWN) {
    return () => false;
  }
  return (message) => {
    const value = message[localName];
    // Where presence is explicit, the prototype may hold the default.
    return value === undefined || isUnset(value) || !Object.hasOwn(message, localName) ? !required : check(value);
  };
}

/** What is to be checked of what a field holds; undefined for nothing. */
function contentCheck(
  field: DescField,
  rules: FieldRules,
  compiled: Map<DescMessage, Check>,
): Check | typeof UNKNOWN | undefined {
  switch (field.fieldKind) {
    case 'scalar':
    case 'enum':
      return valueCheck(rules.type, field.enum);
    case 'message':
      return both(valueCheck(rules.type, undefined), nestedCheck(field.message, compiled));
    case 'list': {
      const items = rules.type.case === 'repeated' ? rules.type.value.items : undefined;
      const ofItem = itemCheck(field, items, compiled);
      return ofItem === UNKNOWN ? UNKNOWN : listCheck(rules.type, ofItem, field);
    }
    default:
      return rules.type.case === undefined && field.message === undefined ? undefined : UNKNOWN;
  }
}

function itemCheck(
  { enum: descEnum, message }: DescField,
  rules: FieldRules | undefined,
  compiled: Map<DescMessage, Check>,
): Check | typeof UNKNOWN | undefined {
  if (rules?.ignore === Ignore.ALWAYS) {
    return isPlainRules(rules) ? undefined : UNKNOWN;
  }
  if (rules !== undefined && !(isPlainRules(rules) && knowsOnly(rules, ['string', 'int32', 'int64', 'enum']))) {
    return UNKNOWN;
  }
  const nested = message === undefined ? undefined : nestedCheck(message, compiled);
  return both(rules === undefined ? undefined : valueCheck(rules.type, descEnum), nested);
}

function nestedCheck(desc: DescMessage, compiled: Map<DescMessage, Check>): Check | typeof UNKNOWN | undefined {
  const begun = compiled.get(desc);
  if (begun !== undefined) {
    return begun;
  }
  const check = compile(desc, compiled);
  return check === undefined ? UNKNOWN : (message) => check(message as Properties);
}

function both(
  one: Check | typeof UNKNOWN | undefined,
  other: Check | typeof UNKNOWN | undefined,
): Check | typeof UNKNOWN | undefined {
  if (one === UNKNOWN || other === UNKNOWN) {
    return UNKNOWN;
  }
  return one === undefined || other === undefined ? (one ?? other) : (value) => one(value) && other(value);
}
