import { create, fromJson } from '@bufbuild/protobuf';
import { FieldMaskSchema, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { metadataOf, reasonOf } from './errors/fail.ts';
import { applyMask, type MaskRules } from './update-mask.ts';

// Any message with a text, a list, and messages within a message will do.
const rules: MaskRules = { identifier: 'name', outputOnly: ['syntax'] };
const file = (json: object) => fromJson(FileDescriptorProtoSchema, JSON.parse(JSON.stringify(json)));
const current = () =>
  file({
    name: 'a.proto',
    package: 'a',
    syntax: 'proto3',
    dependency: ['x', 'y'],
    options: { goPackage: 'go/a', javaPackage: 'java.a' },
  });
const update = (patch: object, ...paths: string[]) =>
  applyMask(FileDescriptorProtoSchema, rules, current(), file(patch), create(FieldMaskSchema, { paths }));
const refusal = (...paths: string[]) => {
  try {
    update({}, ...paths);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('what the mask names is copied, and nothing else', () => {
  test('a field', () => {
    expect(update({ package: 'b', syntax: 'mine', dependency: ['z'] }, 'package')).toEqual({
      ...current(),
      package: 'b',
    });
  });

  test('a field that the patch does not have is cleared', () => {
    expect(update({}, 'package', 'options').package).toBe('');
    expect(update({}, 'options').options).toBeUndefined();
  });

  test('a list, as a whole', () => {
    expect(update({ dependency: ['z'] }, 'dependency').dependency).toEqual(['z']);
    expect(update({}, 'dependency').dependency).toEqual([]);
  });

  test('a field of a message within', () => {
    const { options } = update({ options: { goPackage: 'go/b', javaPackage: 'java.b' } }, 'options.go_package');
    expect(options).toMatchObject({ goPackage: 'go/b', javaPackage: 'java.a' });
  });

  test('a field of a message that was not there yet', () => {
    const { sourceCodeInfo, options } = applyMask(
      FileDescriptorProtoSchema,
      rules,
      file({}),
      file({ options: { goPackage: 'go/b', javaPackage: 'java.b' } }),
      create(FieldMaskSchema, { paths: ['options.go_package'] }),
    );
    expect(options).toMatchObject({ goPackage: 'go/b', javaPackage: '' });
    expect(sourceCodeInfo).toBeUndefined();
  });

  test('with *, all that can be set: neither the identifier nor what only the server sets', () => {
    const result = update({ name: 'other.proto', syntax: 'mine', package: 'b' }, '*');
    expect(result).toEqual(file({ name: 'a.proto', syntax: 'proto3', package: 'b' }));
  });

  test('a path that is named many times counts once, and * beside others is all of them', () => {
    const paths = Array.from({ length: 50_000 }, (_, index) => (index % 2 === 0 ? '*' : 'options.go_package'));
    const dependency = Array.from({ length: 10_000 }, (_, index) => `d${index}`);
    const result = update({ package: 'b', dependency, options: { goPackage: 'go/b' } }, ...paths);
    expect(result).toEqual(
      file({ name: 'a.proto', syntax: 'proto3', package: 'b', dependency, options: { goPackage: 'go/b' } }),
    );
  });

  test('the identifier may be named, and stays', () => {
    expect(update({ name: 'other.proto' }, 'name')).toEqual(current());
  });
});

test('the result shares nothing with what it was made from', () => {
  const before = current();
  const patch = file({ dependency: ['z'], options: { goPackage: 'go/b' } });
  const mask = create(FieldMaskSchema, { paths: ['dependency', 'options'] });
  const result = applyMask(FileDescriptorProtoSchema, rules, before, patch, mask);
  result.dependency.push('more');
  if (result.options !== undefined) {
    result.options.goPackage = 'another';
  }
  expect(before).toEqual(current());
  expect(patch).toEqual(file({ dependency: ['z'], options: { goPackage: 'go/b' } }));
});

describe('UPDATE_MASK_INVALID', () => {
  test.each([
    ['an unknown field', 'pakage'],
    ['a name as JSON writes it', 'options.goPackage'],
    ['a field of a text', 'package.length'],
    ['a field of a list', 'message_type.name'],
    ['an unknown field of a message', 'options.nothing'],
    ['a field that only the server sets', 'syntax'],
    ['nothing between dots', 'options.'],
    ['an empty path', ''],
    ['what every object has', 'constructor'],
  ])('%s', (_, path) => {
    expect(reasonOf(refusal('package', path))).toBe('UPDATE_MASK_INVALID');
    expect(metadataOf(refusal(path))).toMatchObject({ path });
  });

  test('no path at all, and no mask', () => {
    expect(reasonOf(refusal())).toBe('UPDATE_MASK_INVALID');
    const without = () => applyMask(FileDescriptorProtoSchema, rules, current(), current(), undefined);
    expect(without).toThrow('the update mask names no field');
  });
});
