-- One each: MLflow's runs and registry, MLflow's users, Prefect. The image of PostgreSQL runs this once, when its
-- volume is empty; by hand: psql -d postgres -f deploy/databases.sql
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
CREATE DATABASE prefect;
