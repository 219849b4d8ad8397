//! Reads a part of the configuration from the options, by the names of its fields.
//!
//! A field has the name of its option in the table, through `serde(rename)` if its Rust name differs. A field without
//! an option of its name is a part itself. The option's kind determines how its text is parsed; the type of the field,
//! how the parsed value is stored.

use serde::de::value::{Error, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::layer::Layers;
use crate::options::OPTIONS;
use crate::resolve::Resolver;
use crate::value::{self, Value};

/// The part when no option is given.
pub(crate) fn default<T: DeserializeOwned>() -> T {
    Resolver::new(Layers::new()).part()
}

impl Resolver {
    /// Reads every field of a part. Collects faults; the default replaces a faulty value.
    pub(crate) fn part<T: DeserializeOwned>(&mut self) -> T {
        // Cannot fail: the tests read every part, and so check that its fields fit the kinds of their options.
        T::deserialize(Part(self)).expect("a field of a type that its option has")
    }
}

/// Deserializes a part.
struct Part<'a>(&'a mut Resolver);

impl<'de> Deserializer<'de> for Part<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { options: self.0, left: fields.iter(), name: "" })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a part of the configuration is a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Deserializes the fields of a part.
struct Fields<'a> {
    options: &'a mut Resolver,
    left: std::slice::Iter<'static, &'static str>,
    /// The field whose value comes next.
    name: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.left.next() else { return Ok(None) };
        self.name = name;
        let key: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let name = self.name;
        let value = if OPTIONS.iter().any(|spec| spec.name == name) {
            seed.deserialize(Field(self.options.value(name)))
        } else {
            seed.deserialize(Part(self.options))
        };
        value.map_err(|error| Error::custom(format_args!("{name}: {error}")))
    }
}

/// Deserializes the value of one option: `None` if it says "none", or is not given and has no default.
struct Field(Option<Value>);

impl<'de> Deserializer<'de> for Field {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            None => visitor.visit_none(),
            Some(Value::Flag(on)) => visitor.visit_bool(on),
            Some(Value::Number(number)) => visitor.visit_u64(number),
            Some(Value::Word(word)) => visitor.visit_str(word),
            Some(Value::Text(text)) => visitor.visit_string(text),
            // Serde's form of a `Duration`: whole seconds and nanoseconds.
            Some(Value::Time(time)) => {
                let parts = [time.as_secs(), u64::from(time.subsec_nanos())];
                visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
            }
            Some(Value::Headers(headers)) => {
                let pairs = headers.into_iter().map(|(name, value)| vec![name, value]);
                visitor.visit_seq(SeqDeserializer::new(pairs))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            None => visitor.visit_none(),
            some => visitor.visit_some(Self(some)),
        }
    }

    /// Some flags take the words "on" and "off", because the same options of other servers take a value.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Some(Value::Word(word)) => {
                let on = value::flag(word).ok_or_else(|| Error::custom("neither on nor off"))?;
                visitor.visit_bool(on)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some(Value::Word(word)) = self.0 else { return Err(Error::custom("no word")) };
        word.into_deserializer().deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
