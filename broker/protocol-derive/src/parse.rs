//! From attributes to a checked declaration. Generates nothing.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, Fields, Ident, LitInt, LitStr, Path, Result, Type};

/// Versions from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    pub(crate) const ALL: Self = Self { first: 0, last: i16::MAX };
    pub(crate) const NONE: Self = Self { first: 0, last: -1 };

    /// `"3"`, `"3+"`, `"3-7"` or `"none"`, as in Kafka's schemas.
    fn parse(text: &LitStr) -> Result<Self> {
        let number = |part: &str| {
            part.parse::<i16>()
                .map_err(|_| Error::new(text.span(), "expected \"3\", \"3+\", \"3-7\" or \"none\""))
        };
        let value = text.value();
        if value == "none" {
            return Ok(Self::NONE);
        }
        if let Some(first) = value.strip_suffix('+') {
            return Ok(Self { first: number(first)?, last: i16::MAX });
        }
        match value.split_once('-') {
            Some((first, last)) => Ok(Self { first: number(first)?, last: number(last)? }),
            None => number(&value).map(|only| Self { first: only, last: only }),
        }
    }
}

/// A structure and what its attributes say.
pub(crate) struct Declaration {
    pub(crate) name: Ident,
    /// Present on the outermost structure of a message.
    pub(crate) message: Option<MessageAttributes>,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct MessageAttributes {
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    pub(crate) api_key: Option<Path>,
    pub(crate) response: Option<Path>,
    pub(crate) record_type: Option<LitInt>,
}

pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tag: Option<u32>,
    pub(crate) tagged: Versions,
    pub(crate) default: Option<Expr>,
    pub(crate) ignorable: bool,
    pub(crate) inflexible: bool,
}

impl Declaration {
    pub(crate) fn parse(input: &DeriveInput) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new(input.span(), "a message is a structure"));
        };
        let Fields::Named(named) = &data.fields else {
            return Err(Error::new(input.span(), "a message has named fields"));
        };
        let fields = named.named.iter().map(Field::parse).collect::<Result<Vec<_>>>()?;
        let message = input
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("message"))
            .map(|attribute| {
                let mut message = MessageAttributes::new();
                attribute.parse_nested_meta(|meta| message.set(&meta))?;
                Ok::<_, Error>(message)
            })
            .transpose()?;
        refuse_equal_tags(&fields)?;
        Ok(Self { name: input.ident.clone(), message, fields })
    }
}

fn refuse_equal_tags(fields: &[Field]) -> Result<()> {
    let mut seen = HashSet::new();
    match fields.iter().find(|field| field.tag.is_some_and(|tag| !seen.insert(tag))) {
        Some(field) => Err(Error::new(field.name.span(), "another field has this tag")),
        None => Ok(()),
    }
}

impl MessageAttributes {
    fn new() -> Self {
        Self {
            versions: Versions::ALL,
            flexible: Versions::NONE,
            api_key: None,
            response: None,
            record_type: None,
        }
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match key(meta)?.as_str() {
            "versions" => self.versions = Versions::parse(&meta.value()?.parse()?)?,
            "flexible" => self.flexible = Versions::parse(&meta.value()?.parse()?)?,
            "api_key" => self.api_key = Some(meta.value()?.parse()?),
            "response" => self.response = Some(meta.value()?.parse()?),
            "record_type" => self.record_type = Some(meta.value()?.parse()?),
            _ => return Err(meta.error("unknown attribute of a message")),
        }
        Ok(())
    }
}

impl Field {
    fn parse(field: &syn::Field) -> Result<Self> {
        let name = field.ident.clone().unwrap_or_else(|| Ident::new("field", Span::call_site()));
        let mut parsed = Self {
            name,
            ty: field.ty.clone(),
            versions: Versions::ALL,
            nullable: Versions::NONE,
            tag: None,
            tagged: Versions::NONE,
            default: None,
            ignorable: false,
            inflexible: false,
        };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| parsed.set(&meta))?;
        }
        if (parsed.nullable != Versions::NONE) != parsed.is_option() {
            return Err(Error::new(field.span(), "`nullable` and `Option` go together"));
        }
        if parsed.tag.is_some() && parsed.tagged == Versions::NONE {
            parsed.tagged = parsed.versions;
        }
        Ok(parsed)
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match key(meta)?.as_str() {
            "versions" => self.versions = Versions::parse(&meta.value()?.parse()?)?,
            "nullable" => self.nullable = Versions::parse(&meta.value()?.parse()?)?,
            "tagged" => self.tagged = Versions::parse(&meta.value()?.parse()?)?,
            "tag" => self.tag = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?),
            "default" => self.default = Some(meta.value()?.parse()?),
            "ignorable" => self.ignorable = true,
            "inflexible" => self.inflexible = true,
            _ => return Err(meta.error("unknown attribute of a field")),
        }
        Ok(())
    }

    pub(crate) fn is_option(&self) -> bool {
        matches!(&self.ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
    }
}

fn key(meta: &ParseNestedMeta<'_>) -> Result<String> {
    meta.path.get_ident().map(ToString::to_string).ok_or_else(|| meta.error("expected a name"))
}
