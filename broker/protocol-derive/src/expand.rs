//! From a checked declaration to code. Reads no attributes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use crate::parse::{Declaration, Field, MessageAttributes, Versions};

pub(crate) fn expand(declaration: &Declaration) -> TokenStream {
    let default = default_impl(declaration);
    let value = value_impl(declaration);
    let message = declaration.message.as_ref().map(|message| message_impl(declaration, message));
    let nullable = declaration.message.is_none().then(|| nullable_impl(declaration));
    quote! { #default #value #message #nullable }
}

/// A nested structure that may be null has a byte in front of it: -1 for null, 1 otherwise.
fn nullable_impl(declaration: &Declaration) -> TokenStream {
    let name = &declaration.name;
    quote! {
        #[automatically_derived]
        impl crate::wire::Value for ::core::option::Option<#name> {
            fn write(
                &self,
                writer: &mut crate::wire::Writer,
                version: crate::wire::Version,
            ) -> ::core::result::Result<(), crate::wire::EncodeError> {
                writer.write_i8(if self.is_some() { 1 } else { -1 });
                self.as_ref().map_or(Ok(()), |value| value.write(writer, version))
            }

            fn read(
                reader: &mut crate::wire::Reader,
                version: crate::wire::Version,
            ) -> ::core::result::Result<Self, crate::wire::DecodeError> {
                if reader.read_i8()? < 0 { Ok(None) } else { crate::wire::Value::read(reader, version).map(Some) }
            }

            fn is_vacant(&self) -> bool {
                self.is_none()
            }
        }
    }
}

/// A condition on `version.number`, without the halves that always hold.
fn within(versions: Versions) -> TokenStream {
    let Versions { first, last } = versions;
    match (first, last) {
        (0, i16::MAX) => quote! { true },
        (_, i16::MAX) => quote! { version.number >= #first },
        (0, _) if last >= 0 => quote! { version.number <= #last },
        _ if first > last => quote! { false },
        _ => quote! { (#first..=#last).contains(&version.number) },
    }
}

fn default_of(field: &Field) -> TokenStream {
    match &field.default {
        Some(expression) => quote! { #expression },
        None => quote! { ::core::default::Default::default() },
    }
}

fn default_impl(declaration: &Declaration) -> TokenStream {
    let name = &declaration.name;
    let fields = declaration.fields.iter().map(|field| {
        let (name, default) = (&field.name, default_of(field));
        quote! { #name: #default }
    });
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#fields),* }
            }
        }
    }
}

fn value_impl(declaration: &Declaration) -> TokenStream {
    let name = &declaration.name;
    let writes = declaration.fields.iter().map(write_field);
    let write_tagged = write_tagged_section(&declaration.fields);
    let starts = declaration.fields.iter().map(|field| {
        let (name, ty, default) = (&field.name, &field.ty, default_of(field));
        quote! { let mut #name: #ty = #default; }
    });
    let reads = declaration.fields.iter().map(read_field);
    let read_tagged = read_tagged_section(&declaration.fields);
    let names = declaration.fields.iter().map(|field| &field.name);
    quote! {
        #[automatically_derived]
        #[allow(unused_mut, unused_variables, clippy::all, reason = "generated")]
        impl crate::wire::Value for #name {
            fn write(
                &self,
                writer: &mut crate::wire::Writer,
                version: crate::wire::Version,
            ) -> ::core::result::Result<(), crate::wire::EncodeError> {
                #(#writes)*
                #write_tagged
                Ok(())
            }

            fn read(
                reader: &mut crate::wire::Reader,
                version: crate::wire::Version,
            ) -> ::core::result::Result<Self, crate::wire::DecodeError> {
                #(#starts)*
                #(#reads)*
                #read_tagged
                Ok(Self { #(#names),* })
            }

            fn is_vacant(&self) -> bool {
                *self == Self::default()
            }
        }
    }
}

/// Whether the field holds what a reader without it would assume.
fn holds_default(field: &Field) -> TokenStream {
    let name = &field.name;
    match &field.default {
        Some(_) => {
            let (ty, default) = (&field.ty, default_of(field));
            quote! { self.#name == { let default: #ty = #default; default } }
        }
        None => quote! { crate::wire::Value::is_vacant(&self.#name) },
    }
}

fn field_version(field: &Field) -> TokenStream {
    if field.inflexible {
        quote! { version.inflexible() }
    } else {
        quote! { version }
    }
}

/// Writes a value known to exist in this version; null only where the version allows it.
fn write_value(field: &Field, write: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let name = &field.name;
    let whole = write(quote! { &self.#name });
    if !field.is_option() || field.nullable == field.versions || field.nullable == Versions::ALL {
        return whole;
    }
    let text = name.to_string();
    let (nullable, inner) = (within(field.nullable), write(quote! { value }));
    quote! {
        if #nullable {
            #whole
        } else if let Some(value) = &self.#name {
            #inner
        } else {
            return Err(crate::wire::EncodeError::UnexpectedNull { field: #text, version: version.number });
        }
    }
}

fn write_field(field: &Field) -> TokenStream {
    let present = within(field.versions);
    let version = field_version(field);
    let write = write_value(field, |value| quote! { crate::wire::Value::write(#value, writer, #version)?; });
    let untagged = match field.tag {
        Some(_) if field.tagged == field.versions => quote! {},
        Some(_) => {
            let tagged = within(field.tagged);
            quote! { if !(#tagged) { #write } }
        }
        None => write,
    };
    if field.versions == Versions::ALL {
        return untagged;
    }
    let refuse = if field.ignorable {
        quote! {}
    } else {
        let (text, default) = (field.name.to_string(), holds_default(field));
        quote! {
            else if !(#default) {
                return Err(crate::wire::EncodeError::FieldNotInVersion { field: #text, version: version.number });
            }
        }
    };
    quote! { if #present { #untagged } #refuse }
}

fn write_tagged_section(fields: &[Field]) -> TokenStream {
    let mut tagged: Vec<_> = fields.iter().filter_map(|field| field.tag.map(|tag| (tag, field))).collect();
    tagged.sort_by_key(|(tag, _)| *tag);
    if tagged.is_empty() {
        return quote! { if version.flexible { writer.write_uvarint(0); } };
    }
    let presences = tagged.iter().map(|(_, field)| {
        let (name, present, default) = (presence_of(field), within(field.tagged), holds_default(field));
        quote! { let #name = (#present) && !(#default); }
    });
    let counts = tagged.iter().map(|(_, field)| presence_of(field));
    let writes = tagged.iter().map(|(tag, field)| {
        let presence = presence_of(field);
        let write = write_value(field, |value| quote! { writer.write_tagged(#tag, #value, version)?; });
        quote! { if #presence { #write } }
    });
    quote! {
        if version.flexible {
            #(#presences)*
            writer.write_uvarint(0 #( + u32::from(#counts) )*);
            #(#writes)*
        }
    }
}

/// The variable that says whether a tagged field is written.
fn presence_of(field: &Field) -> Ident {
    format_ident!("has_{}", field.name)
}

/// An expression that reads the field's value, null only where the version allows it.
fn read_value(field: &Field, reader: &TokenStream) -> TokenStream {
    let version = field_version(field);
    let whole = quote! { crate::wire::Value::read(#reader, #version)? };
    if !field.is_option() || field.nullable == field.versions || field.nullable == Versions::ALL {
        return whole;
    }
    let nullable = within(field.nullable);
    quote! { if #nullable { #whole } else { Some(crate::wire::Value::read(#reader, #version)?) } }
}

fn read_field(field: &Field) -> TokenStream {
    let name = &field.name;
    let value = read_value(field, &quote! { reader });
    let present = match (field.tag.is_some(), field.tagged == field.versions) {
        (true, true) => return quote! {},
        (true, false) => {
            let (versions, tagged) = (within(field.versions), within(field.tagged));
            quote! { (#versions) && !(#tagged) }
        }
        (false, _) => within(field.versions),
    };
    quote! { if #present { #name = #value; } }
}

fn read_tagged_section(fields: &[Field]) -> TokenStream {
    let arms = fields.iter().filter_map(|field| {
        let tag = field.tag?;
        let (name, tagged, value) =
            (&field.name, within(field.tagged), read_value(field, &quote! { reader }));
        Some(quote! { #tag if #tagged => { #name = #value; Ok(true) } })
    });
    quote! {
        if version.flexible {
            reader.read_tagged_fields(|tag, reader| match tag {
                #(#arms)*
                _ => Ok(false),
            })?;
        }
    }
}

fn message_impl(declaration: &Declaration, message: &MessageAttributes) -> TokenStream {
    let name = &declaration.name;
    let text = name.to_string();
    let Versions { first, last } = message.versions;
    let flexible = if message.flexible == Versions::NONE {
        quote! { None }
    } else {
        let first = message.flexible.first;
        quote! { Some(#first) }
    };
    let request = message.api_key.as_ref().zip(message.response.as_ref()).map(|(api_key, response)| {
        quote! {
            #[automatically_derived]
            impl crate::message::Request for #name {
                const API_KEY: crate::api_key::ApiKey = #api_key;
                type Response = #response;
            }
        }
    });
    let record = message.record_type.as_ref().map(|record_type| {
        quote! {
            #[automatically_derived]
            impl crate::message::LogRecord for #name {
                const RECORD_TYPE: i16 = #record_type;
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl crate::message::Message for #name {
            const NAME: &'static str = #text;
            const VERSIONS: crate::message::VersionRange = crate::message::VersionRange { first: #first, last: #last };
            const FLEXIBLE_FROM: Option<i16> = #flexible;
        }
        #request
        #record
    }
}
