//! Pairs of values: one of the old application, one of the new.

/// One of the two applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The WSGI application.
    Old,
    /// The ASGI application.
    New,
}

/// Both, old first.
pub const EACH: [Which; 2] = [Which::Old, Which::New];

impl Which {
    /// `old` or `new`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// `wsgi` or `asgi`.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Old => "wsgi",
            Self::New => "asgi",
        }
    }
}

/// A value for each application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// That of the old application.
    pub old: T,
    /// That of the new application.
    pub new: T,
}

impl<T> Both<T> {
    /// Makes a value for each.
    pub fn of(make: impl Fn(Which) -> T) -> Self {
        Self { old: make(Which::Old), new: make(Which::New) }
    }

    /// The value of one application.
    pub fn get(&self, which: Which) -> &T {
        match which {
            Which::Old => &self.old,
            Which::New => &self.new,
        }
    }

    /// The value of one application.
    pub fn get_mut(&mut self, which: Which) -> &mut T {
        match which {
            Which::Old => &mut self.old,
            Which::New => &mut self.new,
        }
    }
}
