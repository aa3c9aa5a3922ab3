//! The way of one field: a plain spec, the same with each of the field's values, and the order in which it becomes one
//! after the other.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    fields::{Row, value},
    room::{Kind, Room},
    schema::Field,
};

/// Up to so many values each is changed to each other; of more, each to the next and to the first and back.
const ALL_PAIRS: usize = 4;

/// One field's walk: the specs it goes through, and what is tried in between.
pub struct Walk {
    pub kind: Kind,
    pub row: &'static Row,
    states: Vec<State>,
    /// Specs that the API server refuses, and what it says.
    pub bad: Vec<(Value, String)>,
    pub room: Arc<Room>,
}

pub struct State {
    pub what: String,
    pub spec: Value,
    /// What is to be read then.
    pub says: String,
}

impl Walk {
    /// The way of a row's field in a room.
    pub fn new(kind: Kind, row: &'static Row, room: Arc<Room>) -> Self {
        let field = row.schema(kind.as_str());
        let mut plain = match kind {
            Kind::Automation => room.plain_automation(),
            Kind::Policy => room.plain_policy(),
        };
        for (pointer, text) in row.with {
            put(&mut plain, pointer, Some(value(text, &room.name, &room.namespace)));
        }
        let mut walk = Self {
            kind,
            row,
            states: Vec::new(),
            bad: Vec::new(),
            room,
        };
        walk.states.push(State {
            what: "as it was".to_owned(),
            spec: plain,
            says: String::new(),
        });
        walk.leave_out(&field);
        walk.set_values(&field);
        walk.set_bad_values(&field);
        walk
    }

    /// Each change, from the plain spec and back to it.
    pub fn tour(&self) -> impl Iterator<Item = &State> {
        tour(self.states.len()).into_iter().map(|index| &self.states[index])
    }

    fn leave_out(&mut self, field: &Field) {
        let without = with(&self.states[0].spec, field, None);
        match self.row.needed {
            Some(says) => self.bad.push((without, says.to_owned())),
            None if field.is_required => self.bad.push((without, field.told_as())),
            None => {
                self.add(field, None, "");
                if field.is_nullable() {
                    self.add(field, Some(Value::Null), "");
                }
            }
        }
    }

    fn set_values(&mut self, field: &Field) {
        if self.row.bounds {
            for value in field.good() {
                self.add(field, Some(value), "");
            }
        }
        for (text, says) in self.row.good {
            let value = value(text, &self.room.name, &self.room.namespace);
            self.add(field, Some(value), says);
        }
    }

    fn set_bad_values(&mut self, field: &Field) {
        let of_schema = field.bad().into_iter().map(|value| (value, field.told_as()));
        let read = |text| value(text, &self.room.name, &self.room.namespace);
        let of_row = self.row.bad.iter().map(|(text, says)| (read(text), (*says).to_owned()));
        let plain = &self.states[0].spec;
        let all = of_schema.chain(of_row);
        let specs: Vec<_> = all
            .map(|(value, says)| (with(plain, field, Some(value)), says))
            .collect();
        self.bad.extend(specs);
    }

    fn add(&mut self, field: &Field, value: Option<Value>, says: &str) {
        let what = value.as_ref().map_or_else(|| "left out".to_owned(), short);
        let spec = with(&self.states[0].spec, field, value);
        match self.states.iter_mut().find(|state| state.spec == spec) {
            Some(known) => says.clone_into(&mut known.says),
            None => self.states.push(State {
                what,
                spec,
                says: says.to_owned(),
            }),
        }
    }
}

fn with(plain: &Value, field: &Field, value: Option<Value>) -> Value {
    let mut spec = plain.clone();
    put(&mut spec, &field.pointer(), value);
    spec
}

/// The order in which so many values are gone through, from the first and back to it.
fn tour(values: usize) -> Vec<usize> {
    let mut tour = vec![0];
    if values <= ALL_PAIRS {
        for from in 0..values {
            if tour.last() != Some(&from) {
                tour.push(from);
            }
            tour.extend((from + 1..values).flat_map(|to| [to, from]));
        }
    } else {
        tour.extend((1..values).flat_map(|to| [to, 0]));
        tour.extend(1..values);
    }
    if tour.last() != Some(&0) {
        tour.push(0);
    }
    tour
}

/// Sets a value in a spec, and what has to be around it; nothing takes the field away.
fn put(spec: &mut Value, pointer: &str, value: Option<Value>) {
    let mut at = spec;
    let (parents, field) = pointer.rsplit_once('/').unwrap();
    for part in parents.split('/').skip(1) {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
        if at.is_null() {
            *at = json!({});
        }
    }
    match value {
        Some(value) => at[field] = value,
        None => drop(at.as_object_mut().unwrap().remove(field)),
    }
}

/// A value, as much of it as a message can hold.
pub fn short(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        format!("{cut}…")
    } else {
        text
    }
}
