//! Query strings to values: each parameter once, strictly decoded, every error with its name.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::json::shorten;
use crate::error::ApiError;

/// Most parameters in one query.
const MAX_PARAMETERS: usize = 100;

/// Parses `name=value&…` (application/x-www-form-urlencoded); places are `query.NAME`.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let read = pairs(text).and_then(|pairs| {
        let mut rest = pairs.iter();
        T::deserialize(Parameters {
            rest: &mut rest,
            value: None,
        })
    });
    read.map_err(|error| {
        let path = match &error.name {
            Some(name) => format!("query.{name}"),
            None => "query".to_owned(),
        };
        ApiError::invalid(shorten(path), shorten(error.message))
    })
}

type Pair = (String, String);

fn pairs(text: &[u8]) -> Result<Vec<Pair>, Error> {
    let mut pairs: Vec<Pair> = Vec::new();
    for part in text
        .split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty())
    {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&part[..equals], &part[equals + 1..]),
            None => (part, &b""[..]),
        };
        let name = decode(name).map_err(Error::new)?;
        let value = decode(value).map_err(|message| Error::new(message).at(&name))?;
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(Error::new("is given twice").at(&name));
        }
        if pairs.len() == MAX_PARAMETERS {
            return Err(Error::new("too many parameters"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Percent-decoding that refuses what it cannot decode instead of guessing.
fn decode(text: &[u8]) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                match high
                    .zip(low)
                    .map(|(high, low)| u8::try_from(high << 4 | low))
                {
                    Some(Ok(byte)) => byte,
                    _ => return Err("has a `%` without two hexadecimal digits"),
                }
            }
            byte => *byte,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err("contains U+0000"),
        Ok(text) => Ok(text),
        Err(_) => Err("is not UTF-8"),
    }
}

/// What went wrong, and with which parameter.
#[derive(Debug)]
struct Error {
    name: Option<String>,
    message: String,
}

impl Error {
    fn new(message: impl fmt::Display) -> Self {
        Self {
            name: None,
            message: message.to_string(),
        }
    }

    fn at(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").at(field)
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new("is not known here").at(field)
    }
}

struct Parameters<'a, 'de> {
    rest: &'a mut std::slice::Iter<'de, Pair>,
    value: Option<&'de Pair>,
}

impl<'de> MapAccess<'de> for Parameters<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.value = self.rest.next();
        let Some((name, _)) = self.value else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, text)) = self.value.take() else {
            return Err(Error::new("value before its name"));
        };
        seed.deserialize(Text(text)).map_err(|error| error.at(name))
    }
}

impl<'de> de::Deserializer<'de> for Parameters<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// One value, parsed as whatever its type asks for.
struct Text<'de>(&'de str);

macro_rules! parse_as {
    ($($method:ident => $visit:ident, $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Error::new(concat!("is not ", $what))),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for Text<'de> {
    type Error = Error;

    parse_as! {
        deserialize_bool => visit_bool, "true or false";
        deserialize_i8 => visit_i8, "a whole number in range";
        deserialize_i16 => visit_i16, "a whole number in range";
        deserialize_i32 => visit_i32, "a whole number in range";
        deserialize_i64 => visit_i64, "a whole number in range";
        deserialize_u8 => visit_u8, "a whole number in range";
        deserialize_u16 => visit_u16, "a whole number in range";
        deserialize_u32 => visit_u32, "a whole number in range";
        deserialize_u64 => visit_u64, "a whole number in range";
        deserialize_f64 => visit_f64, "a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StrDeserializer<'_, Error> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}
