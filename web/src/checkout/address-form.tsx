/**
 * The address, field by field, with messages beside the fields. A message appears once a field was left, or when one wants to go on.
 */

import { type ReactNode, useId, useState } from 'react';
import {
  ADDRESS_FIELDS,
  type AddressField,
  type AddressForm,
  type AddressProblems,
  LONGEST,
  regionWord,
} from './address.ts';
import { COUNTRIES, REGIONS } from './destinations.ts';

const NAMES = new Intl.DisplayNames(undefined, { type: 'region' });
const SORTED_COUNTRIES = COUNTRIES.map((code) => ({ code, name: NAMES.of(code) ?? code })).sort((a, b) =>
  a.name.localeCompare(b.name),
);

export function AddressFields({
  form,
  problems,
  showAll,
  onChange,
}: {
  form: AddressForm;
  problems: AddressProblems;
  /** Show the messages of fields that were not visited, too. */
  showAll: boolean;
  onChange: (form: AddressForm) => void;
}) {
  const [left, setLeft] = useState<ReadonlySet<AddressField>>(new Set());
  const regions = REGIONS[form.country];
  const controls = (field: AddressField) => ({
    name: field,
    value: form[field],
    maxLength: LONGEST[field],
    onBlur: () => setLeft((before) => new Set(before).add(field)),
    onChange: (event: { target: { value: string } }) =>
      onChange({ ...form, [field]: event.target.value, ...(field === 'country' ? { region: '' } : {}) }),
  });
  const problem = (field: AddressField) => (showAll || left.has(field) ? problems[field] : undefined);

  return (
    <div className="address">
      <Field label="Country" problem={problem('country')} wide>
        {(aria) => {
          const { maxLength: _, ...select } = controls('country');
          return (
            <select {...select} {...aria} autoComplete="country" required>
              <option value="">Choose…</option>
              {SORTED_COUNTRIES.map(({ code, name }) => (
                <option key={code} value={code}>
                  {name}
                </option>
              ))}
            </select>
          );
        }}
      </Field>
      <Field label="Name" problem={problem('recipient')} wide>
        {(aria) => <input {...controls('recipient')} {...aria} autoComplete="name" required />}
      </Field>
      <Field label="Street and number" problem={problem('line1')} wide>
        {(aria) => <input {...controls('line1')} {...aria} autoComplete="address-line1" required />}
      </Field>
      <Field label="Floor, company (optional)" problem={problem('line2')} wide>
        {(aria) => <input {...controls('line2')} {...aria} autoComplete="address-line2" />}
      </Field>
      <Field label="Postal code" problem={problem('postalCode')}>
        {(aria) => <input {...controls('postalCode')} {...aria} autoComplete="postal-code" required />}
      </Field>
      <Field label="City" problem={problem('city')}>
        {(aria) => <input {...controls('city')} {...aria} autoComplete="address-level2" required />}
      </Field>
      {regions !== undefined && (
        <Field label={capitalised(regionWord(form.country))} problem={problem('region')} wide>
          {(aria) => {
            const { maxLength: _, ...select } = controls('region');
            return (
              <select {...select} {...aria} autoComplete="address-level1" required>
                <option value="">Choose…</option>
                {regions.map(({ code, name }) => (
                  <option key={code} value={code}>
                    {name}
                  </option>
                ))}
              </select>
            );
          }}
        </Field>
      )}
    </div>
  );
}

/** Puts the focus on the first field that has a problem. */
export function focusFirstProblem(container: HTMLElement | null, problems: AddressProblems): void {
  const first = ADDRESS_FIELDS.find((field) => problems[field] !== undefined);
  container?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
}

type Aria = { id: string; 'aria-invalid': boolean; 'aria-describedby': string | undefined };

function Field({
  label,
  problem,
  wide = false,
  children,
}: {
  label: string;
  problem: string | undefined;
  wide?: boolean;
  children: (aria: Aria) => ReactNode;
}) {
  const id = useId();
  const message = `${id}-problem`;
  return (
    <div className={wide ? 'field field-wide' : 'field'}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-invalid': problem !== undefined, 'aria-describedby': problem ? message : undefined })}
      {problem !== undefined && (
        <p className="field-problem" id={message}>
          {problem}
        </p>
      )}
    </div>
  );
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
